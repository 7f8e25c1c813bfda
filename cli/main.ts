/** The command line. Each command is a module of its own, loaded when it is asked for. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type Config, readConfig, UsageError } from "./config.ts";
import { SchemaError } from "../migrations/migrate.ts";
import { systemTrouble } from "./system-trouble.ts";

const program = new Command("ronghe")
  .description("One health code: identity and settlement, recorded in an SM3 ledger that anyone can verify")
  .exitOverride()
  .showHelpAfterError("(ronghe --help lists the commands)")
  .enablePositionalOptions();

const dataOption = (): Option => new Option("--data <dir>", "data folder of the platform (default: RONGHE_DATA, else ronghe-data)");

const langOption = (): Option => new Option("--lang <lang>", "language of the table").choices(["zh", "en"]).default("zh");

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`wanted a whole number from ${min} to ${max}`);
    return value;
  };
}

/** The environment, with what the command line says on top. */
function configured(options: { readonly data?: string; readonly bus?: string }): Config {
  return readConfig({
    ...process.env,
    ...(options.data === undefined ? {} : { RONGHE_DATA: options.data }),
    ...(options.bus === undefined ? {} : { RONGHE_BUS: options.bus }),
  });
}

program
  .command("demo")
  .description("a seeded province on this machine: codes, settlements, refunds, fraud, a verified ledger")
  .option("--once", "end after the run; status 0 only when everything verified")
  .option("--json", "print one JSON summary as the last line")
  .option("--seed <n>", "seed of everything that is drawn by lot", wholeNumber(0, 999_999_999), 1)
  .option("--settlements <n>", "honest bills", wholeNumber(1, 100_000), 240)
  .option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)")
  .addOption(new Option("--data <dir>", "keep everything there (default: a temporary folder)"))
  .action(async (options) => {
    const { demo } = await import("./demo/demo.ts");
    process.exitCode = await demo(configured({ bus: options.bus, ...(options.data === undefined ? {} : { data: options.data }) }), options);
  });

program
  .command("serve")
  .description("run the platform, or one part of it, until stopped")
  .argument("<part>", "all, core, edge, streams or sandbox")
  .addOption(dataOption())
  .action(async (part: string, options) => {
    const { serve } = await import("./commands/serve.ts");
    await serve(configured(options), part);
  });

const sandbox = program.command("sandbox").description("an invented province to try things on");
sandbox
  .command("init")
  .description("create a platform with people, institutions, terminals, apps and partner keys")
  .addOption(dataOption())
  .option("--seed <n>", "seed of the province", wholeNumber(0, 999_999_999), 1)
  .option("--people <n>", "people in it", wholeNumber(20, 20_000), 60)
  .option("--partitions <n>", "partitions of every topic, and ledger shards", wholeNumber(1, 64), 2)
  .action(async (options) => {
    const { sandboxInit } = await import("./commands/sandbox-init.ts");
    await sandboxInit(configured(options), options);
  });

const code = program.command("code").description("fused codes");
code
  .command("issue")
  .description("ask a running platform for a code, as a patient's app does")
  .addOption(dataOption())
  .option("--png <file>", "write the QR symbol there")
  .option("--person <appUserId>", "whose code (default: the first person of the sandbox)")
  .addOption(new Option("--purpose <purpose>", "what it may be used for").choices(["settle", "verify"]).default("settle"))
  .addOption(new Option("--form <form>", "signed, or opaque for small screens").choices(["signed", "opaque"]).default("signed"))
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { codeIssue } = await import("./commands/code.ts");
    await codeIssue(configured(options), options);
  });
code
  .command("show")
  .description("draw a code as a QR symbol in the terminal")
  .argument("<code>")
  .action(async (text: string) => {
    const { codeShow } = await import("./commands/code.ts");
    await codeShow(text);
  });
code
  .command("decode")
  .description("take a code apart and check its signature, without network and without using it up")
  .argument("<code>")
  .addOption(dataOption())
  .action(async (text: string, options) => {
    const { codeDecode } = await import("./commands/code.ts");
    process.exitCode = await codeDecode(configured(options), text);
  });

program
  .command("call")
  .description("act as a hospital: sign, send, verify the reply, print it")
  .argument("<operation>", "rh.verify, rh.settle, rh.result or rh.refund")
  .addOption(dataOption())
  .option("--org <orgId>", "institution to act as (default: the first of the sandbox)")
  .option("--term <termId>", "terminal (default: the institution's first)")
  .option("--code <code>", "the scanned code")
  .option("--ec-token <token>", "the token that rh.verify gave")
  .option("--amount <yuan>", "the bill, for example 128.50")
  .option("--id <outTradeNo>", "the caller's own number (default: a new one)")
  .option("--original <outTradeNo>", "the settlement to give back")
  .option("--business-type <type>", "S3 C.1 (default: 01301, 结算)")
  .option("--wait <seconds>", "how long the edge waits for the outcome", wholeNumber(0, 30), 10)
  .option("--receipt <file>", "write the ledger receipt there")
  .option("--print-curl", "print the request as a curl command instead of sending it")
  .action(async (operation: string, options) => {
    const { call } = await import("./commands/call.ts");
    process.exitCode = await call(configured(options), operation, options);
  });

const ledger = program.command("ledger").description("the SM3 ledger");
ledger
  .command("verify")
  .description("verify every log of a data folder, or one receipt; non-zero on any defect, naming the first")
  .argument("[file]", "a receipt")
  .addOption(dataOption())
  .option("--policy <file>", "trusted keys (default: <data>/ledger-policy.txt)")
  .option("--checkpoint <file...>", "signed checkpoints from an earlier day that the log must contain")
  .option("--json", "print one JSON object")
  .action(async (file: string | undefined, options) => {
    const { ledgerVerify } = await import("./commands/ledger-verify.ts");
    process.exitCode = await ledgerVerify(configured(options), file, options);
  });

program
  .command("tail")
  .description("print the events of a topic, one JSON line each")
  .argument("<topic>")
  .addOption(dataOption())
  .option("--follow", "go on with what comes later")
  .option("--limit <n>", "at most so many", wholeNumber(1, 100_000_000))
  .action(async (topic: string, options) => {
    const { tail } = await import("./commands/tail.ts");
    await tail(configured(options), topic, options);
  });

program
  .command("alerts")
  .description("what the fraud rules raised")
  .addOption(dataOption())
  .option("--json", "one JSON line each")
  .option("--replay", "judge the whole log again and compare, byte for byte")
  .addOption(langOption())
  .action(async (options) => {
    const { alerts } = await import("./commands/alerts.ts");
    process.exitCode = await alerts(configured(options), options);
  });

program
  .command("supervise")
  .description("scans and funds per institution and day, compared with the ledger")
  .addOption(dataOption())
  .option("--day <yyyy-mm-dd>", "one day only")
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { supervise } = await import("./commands/supervise.ts");
    process.exitCode = await supervise(configured(options), options);
  });

program
  .command("config")
  .description("print the settings, without secrets, and the cryptographic implementations in use")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { printConfig } = await import("./commands/config.ts");
    await printConfig(configured(options), options);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

/** One clear line for what a user can mend; a stack only for bugs. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || error instanceof SchemaError) {
    console.error(`ronghe: ${error.message}`);
    return 2;
  }
  const outside = systemTrouble(error);
  if (outside !== undefined) {
    console.error(`ronghe: ${outside}`);
    return 1;
  }
  console.error(error);
  return 1;
}
