/** The command line. Each command is a module of its own, loaded when it is asked for. */
import { Command, CommanderError, Option } from "commander";
import { UsageError } from "./config.ts";
import { SchemaError } from "../migrations/migrate.ts";
import { systemTrouble } from "./system-trouble.ts";
import { addAccessCommands } from "./program/access.ts";
import { addBusCommands } from "./program/bus.ts";
import { addAccountCommands, addDayCommands, addErasureCommand } from "./program/accounts.ts";
import { addLedgerCommands } from "./program/ledger.ts";
import { configured, dataOption, langOption, wholeNumber } from "./program/options.ts";
import { addWitnessCommands } from "./program/witness.ts";
import { versionLine } from "./platform/version.ts";
import { keepFilesPrivate } from "./platform/private-files.ts";
import { endWithReader, guardConsole } from "./output.ts";

guardConsole();
endWithReader();
keepFilesPrivate();

const program = new Command("ronghe")
  .description("One health code: identity and settlement, recorded in an SM3 ledger that anyone can verify")
  .exitOverride()
  .showHelpAfterError("(ronghe --help lists the commands)")
  .enablePositionalOptions()
  .option("-V, --version", "print version, commit and runtime");

// Looked up only when it is asked for: it takes a file and a process.
program.on("option:version", () => {
  console.log(versionLine());
  throw new CommanderError(0, "commander.version", "");
});

// An empty name is a variable that was not set: it must not mean the folder one happens to stand in.
program.hook("preAction", (_, command) => {
  const empty = command.options.find(
    (option) => /<(?:file|dir)>/.test(option.flags) && command.getOptionValue(option.attributeName()) === "",
  );
  if (empty !== undefined) throw new UsageError(`${empty.long ?? empty.flags} names nothing`);
});

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
  .addOption(new Option("--runtime <runtime>", "of the edge: this one, or workerd").choices(["here", "workerd"]).default("here"))
  .action(async (part: string, options) => {
    const { serve } = await import("./commands/serve.ts");
    await serve(configured(options), part, options);
  });

program
  .command("edge-secrets")
  .description("print what a Worker needs to be this edge, as one JSON object for `wrangler secret bulk`")
  .addOption(dataOption())
  .action(async (options) => {
    const { edgeSecrets } = await import("./commands/edge-secrets.ts");
    await edgeSecrets(configured(options));
  });

const sandbox = program.command("sandbox").description("an invented province to try things on");
sandbox
  .command("init")
  .description("create a platform with people, institutions, terminals, apps and partner keys")
  .addOption(dataOption())
  .option("--seed <n>", "seed of the province", wholeNumber(0, 999_999_999), 1)
  .option("--people <n>", "people in it", wholeNumber(20, 20_000), 60)
  .option("--partitions <n>", "partitions of every topic, and ledger shards", wholeNumber(1, 64), 2)
  .option("--edges <n>", "edges; from the second on each has a folder to carry away, in edges/", wholeNumber(1, 64), 1)
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
  .argument("[operation]", "rh.verify, rh.presettle, rh.settle, rh.result, rh.refund or rh.statement")
  .addOption(dataOption())
  .option("--edge <url>", "edge to call (default: the one that runs on this folder)")
  .option("--org <orgId>", "institution to act as (default: the first of the sandbox)")
  .option("--term <termId>", "terminal (default: the institution's first)")
  .option("--code <code>", "the scanned code")
  .option("--ec-token <token>", "the token that rh.verify gave")
  .option("--amount <yuan>", "the bill, for example 128.50")
  .option("--id <outTradeNo>", "the caller's own number (default: a new one)")
  .option("--med-type <type>", "kind of care, NHSA med_type: 11 out-patient, 21 in-patient, 41 pharmacy")
  .option("--fee-lines <file>", "JSON array of fee lines that make up the amount")
  .option("--original <outTradeNo>", "the settlement to give back")
  .option("--refund-type <type>", "ALL, CASH (the bank only) or HI (the insurers only)")
  .option("--refund-amount <yuan>", "how much of it (default: all that is left)")
  .option("--period <period>", "of rh.statement: a day yyyyMMdd or a month yyyyMM")
  .option("--cursor <cursor>", "of rh.statement: where the page before ended")
  .option("--business-type <type>", "S3 C.1 (default: 01301, 结算)")
  .option("--wait <seconds>", "how long the edge waits for the outcome", wholeNumber(0, 30), 10)
  .option("--receipt <file>", "write the ledger receipt there")
  .option("--print-curl", "print the request as a curl command instead of sending it")
  .option("--check <file>", "call nobody: say why the request in this file does not verify")
  .option("--keys <file>", "with --check: JSON of appId, appSecret, publicKey and what is agreed (default: the caller's of this folder)")
  .option("--sign-text <file>", "with --check: the text that you signed, to see where it differs")
  .option("--json", "with --check: print one JSON object")
  .action(async (operation: string | undefined, options) => {
    if (options.check !== undefined) {
      const { checkCall } = await import("./commands/call-check.ts");
      process.exitCode = await checkCall(configured(options), options.check, options);
      return;
    }
    const { call } = await import("./commands/call.ts");
    process.exitCode = await call(configured(options), operation, options);
  });

addLedgerCommands(program);
addBusCommands(program);
addWitnessCommands(program);
addAccountCommands(program);
addErasureCommand(program);
addDayCommands(program);

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

addAccessCommands(program);

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
