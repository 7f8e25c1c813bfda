/** The command line. Each command is a module of its own, loaded when it is asked for. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type Config, readConfig, UsageError } from "./config.ts";
import { SchemaError } from "../migrations/migrate.ts";
import { systemTrouble } from "./system-trouble.ts";
import { addFollowCommands, addWitnessCommands } from "./witness-commands.ts";

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
  .argument("<operation>", "rh.verify, rh.presettle, rh.settle, rh.result, rh.refund or rh.statement")
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
  .action(async (operation: string, options) => {
    const { call } = await import("./commands/call.ts");
    process.exitCode = await call(configured(options), operation, options);
  });

const ledger = program.command("ledger").description("the SM3 ledger");
ledger
  .command("verify")
  .description("verify every log of a data folder, an export, or one receipt; non-zero on any defect, naming the first")
  .argument("[path]", "an export, or a receipt (default: the data folder)")
  .addOption(dataOption())
  .option(
    "--policy <file>",
    "trusted keys (default: <data>/ledger-policy.txt; for an export its own, which proves only that it agrees with itself)",
  )
  .option("--checkpoint <file...>", "signed checkpoints from an earlier day that the log must contain")
  .option("--json", "print one JSON object")
  .action(async (path: string | undefined, options) => {
    const { ledgerVerify } = await import("./commands/ledger-verify.ts");
    process.exitCode = await ledgerVerify(configured(options), path, options);
  });
ledger
  .command("export")
  .description("write all logs as plain files that any web server can host and anybody can verify; run again, it adds what is new")
  .addOption(dataOption())
  .requiredOption("--out <dir>", "folder of the export: an empty one, or an earlier export of this platform")
  .option("--policy <file>", "trusted keys that go along (default: <data>/ledger-policy.txt)")
  .option("--page <file>", "verifier page that goes along as verify.html (default: the one of this version)")
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { ledgerExport } = await import("./commands/ledger-export.ts");
    process.exitCode = await ledgerExport(configured(options), options);
  });
ledger
  .command("prove")
  .description("write a receipt of a settlement that verifies offline for ever")
  .addOption(dataOption())
  .requiredOption("--settlement <id>", "settlement id (rs…), or <orgId>/<outTradeNo>")
  .requiredOption("--out <file>", "where the receipt goes")
  .option("--all", "every entry about the settlement, not only the one that decided it")
  .option("--disclose <field...>", "personal fields to disclose with their salts: names, or all (default: none)")
  .option("--policy <file>", "trusted keys (default: <data>/ledger-policy.txt)")
  .action(async (options) => {
    const { ledgerProve } = await import("./commands/ledger-prove.ts");
    process.exitCode = await ledgerProve(configured(options), options);
  });

ledger
  .command("consistency")
  .description("write the proof that the log of an export goes on from an older checkpoint")
  .requiredOption("--export <dir>", "the export")
  .requiredOption("--older <file>", "the older checkpoint")
  .requiredOption("--out <file>", "where the proof goes")
  .action(async (options) => {
    const { ledgerConsistency } = await import("./commands/ledger-consistency.ts");
    process.exitCode = await ledgerConsistency(options);
  });
ledger
  .command("page")
  .description("write the verifier as one file that runs in a browser, without server or network")
  .requiredOption("--out <file>", "where it goes, for example verify.html")
  .action(async (options) => {
    const { ledgerPage } = await import("./commands/ledger-page.ts");
    process.exitCode = await ledgerPage(options);
  });

ledger
  .command("fsck")
  .description("derive every projection from the leaf bytes again and compare; 1 when anything differs, each difference by name")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { ledgerFsck } = await import("./commands/ledger-fsck.ts");
    process.exitCode = await ledgerFsck(configured(options), options);
  });

ledger
  .command("rebuild")
  .description("make a lost shard database again from the entries topic, to the same root; the core must not run")
  .requiredOption("--shard <n>", "which shard", wholeNumber(0, 63))
  .requiredOption("--from-topic", "from the entries on the bus, embedded or Kafka")
  .addOption(new Option("--by <person>", "who does it: recorded in the ledger").makeOptionMandatory())
  .option("--policy <file>", "trusted keys (default: <data>/ledger-policy.txt)")
  .option(
    "--checkpoint <file...>",
    "checkpoints of this log that somebody kept, or receipts and ranges that end with one: a rebuilt log must reach them",
  )
  .addOption(dataOption())
  .option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)")
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { ledgerRebuild } = await import("./commands/ledger-rebuild.ts");
    process.exitCode = await ledgerRebuild(configured(options), options);
  });

ledger
  .command("search")
  .description("find entries by institution, period, settlement or person; with --prove, a text that shows that none was left out")
  .addOption(dataOption())
  .option("--institution <orgId>", "entries of this institution")
  .option("--from <day>", "from yyyy-mm-dd (UTC+8) or an instant with its zone")
  .option("--to <day>", "before yyyy-mm-dd, or an instant")
  .option("--settlement <id>", "settlement id (rs…), or <orgId>/<outTradeNo>")
  .option("--person <pseudonym>", "as topics and alerts name a person")
  .option("--document <file>", "a person by a line `TYPE NUMBER` in a file, or - for the standard input")
  .option("--prove <file>", "write every entry of --institution from --from to --to there, with the proof that none is missing")
  .option("--registry", "with --prove: of the registry (codes, registrations), in place of the settlements of --institution")
  .option("--policy <file>", "trusted keys (default: <data>/ledger-policy.txt)")
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { ledgerSearch } = await import("./commands/ledger-search.ts");
    process.exitCode = await ledgerSearch(configured(options), options);
  });
ledger
  .command("provenance")
  .description("from entries to the record on the bus that they came from, and back; every hash compared")
  .addOption(dataOption())
  .option("--settlement <id>", "settlement id (rs…), or <orgId>/<outTradeNo>")
  .option("--record <place>", "topic/partition/offset")
  .option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)")
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { ledgerProvenance } = await import("./commands/ledger-provenance.ts");
    process.exitCode = await ledgerProvenance(configured(options), options);
  });

addFollowCommands(ledger, { configured, dataOption, wholeNumber });
addWitnessCommands(program, { configured, dataOption, wholeNumber });

const byOption = (): Option => new Option("--by <person>", "who does it: recorded in the ledger").makeOptionMandatory();

const settlement = program.command("settlement").description("one bill");
settlement
  .command("show")
  .description("the story of one settlement: states, legs, transfers, ledger entries with their proofs, refunds, reconciliation")
  .argument("<name>", "settlement id, or INSTITUTION/OUTTRADENO")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (name: string, options) => {
    const { settlementShow } = await import("./commands/settlement.ts");
    process.exitCode = await settlementShow(configured(options), name, options);
  });

const reconcile = program.command("reconcile").description("payers' statements against the books (对账)");
reconcile
  .command("run")
  .description("compare a payer's day: totals first, rows where they differ or something is open")
  .addOption(new Option("--rail <rail>", "insurance, commercial or bank").makeOptionMandatory())
  .addOption(new Option("--day <yyyy-mm-dd>", "the payer's day").makeOptionMandatory())
  .addOption(byOption())
  .option("--file <csv>", "the statement as a file, instead of asking the payer")
  .addOption(new Option("--encoding <encoding>", "of the file").choices(["utf-8", "gb18030"]))
  .option("--details", "compare row by row even where the totals are equal")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { reconcileRun } = await import("./commands/reconcile.ts");
    process.exitCode = await reconcileRun(configured(options), options);
  });
reconcile
  .command("list")
  .description("runs, rows that wait for a second look, and open differences")
  .option("--rail <rail>", "one payer only")
  .option("--day <yyyy-mm-dd>", "one day only")
  .option("--all", "closed differences too")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { reconcileList } = await import("./commands/reconcile.ts");
    await reconcileList(configured(options), options);
  });
reconcile
  .command("show")
  .description("one difference with its history")
  .argument("<case>")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (id: string, options) => {
    const { reconcileShow } = await import("./commands/reconcile.ts");
    await reconcileShow(configured(options), id, options);
  });
for (const [name, what, description] of [
  ["assign", "assign", "give a difference to somebody, who looks into it"],
  ["resolve", "resolve", "close a difference that is explained"],
  ["suspend", "suspend", "put its amount into suspense (挂账)"],
  ["release", "release", "take its amount out of suspense: the payer settled it"],
  ["write-off", "writeOff", "give its amount up (核销); needs a second person"],
] as const) {
  const command = reconcile.command(name).description(description).argument("<case>").addOption(byOption());
  if (what === "assign") command.option("--to <person>", "whose it is now (default: --by)");
  else command.option("--reason <reason>", "why, from the closed list");
  if (what === "writeOff") command.option("--approved-by <person>", "the second person");
  command
    .option("--note <text>", "for colleagues; the ledger holds a commitment to it only")
    .addOption(dataOption())
    .option("--json", "print one JSON object")
    .action(async (id: string, options) => {
      const { reconcileStep } = await import("./commands/reconcile.ts");
      process.exitCode = await reconcileStep(configured(options), what, id, options);
    });
}

program
  .command("erase")
  .description("destroy what is kept of a person, under an order of two people; every proof stands")
  .requiredOption("--order <number>", "number of the order; again, it goes on where it stopped")
  .addOption(new Option("--by <person>", "who orders it: recorded in the ledger").makeOptionMandatory())
  .addOption(new Option("--approved-by <person>", "the second person").makeOptionMandatory())
  .addOption(
    new Option("--ground <ground>", "legal ground (个人信息保护法 47)")
      .choices(["withdrawn", "purposeEnded", "serviceEnded", "unlawful", "required"])
      .makeOptionMandatory(),
  )
  .addOption(
    new Option("--scope <scope>", "person: everything; records: what past entries commit to")
      .choices(["person", "records"])
      .default("person"),
  )
  .option("--app-user <appId/appUserId>", "the person, by an app's name")
  .option("--document <file>", "the person, by a line `TYPE NUMBER` in a file, or - for the standard input")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { erase } = await import("./commands/erase.ts");
    process.exitCode = await erase(configured(options), options);
  });

const day = program.command("day").description("accounting days (日切)");
day
  .command("close")
  .description("seal a day in every shard: nothing posts into it any more")
  .argument("[day]", "yyyy-mm-dd (default: the first open day)")
  .addOption(byOption())
  .option("--without-reconciliation <reason>", "close although a payer's day is not reconciled; the reason enters the ledger")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (which: string | undefined, options) => {
    const { dayClose } = await import("./commands/day.ts");
    process.exitCode = await dayClose(configured(options), which, options);
  });
day
  .command("show")
  .description("closed days with their seals; of one day, also what was carried over")
  .argument("[day]", "yyyy-mm-dd")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (which: string | undefined, options) => {
    const { dayShow } = await import("./commands/day.ts");
    await dayShow(configured(options), which, options);
  });
day
  .command("statement")
  .description("a month of an institution or a payer, compared with the seals")
  .addOption(new Option("--month <yyyy-mm>").makeOptionMandatory())
  .option("--institution <orgId>", "of this institution")
  .option("--rail <rail>", "of this payer")
  .option("--csv <file>", "write it there as CSV")
  .option("--html <file>", "write it there as a page to print")
  .addOption(dataOption())
  .addOption(langOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { dayStatement } = await import("./commands/day.ts");
    process.exitCode = await dayStatement(configured(options), options);
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

const access = program.command("access").description("who is let in: edges, partners, terminals, signing keys");
const overlapOption = (): Option =>
  new Option("--overlap <hours>", "how long the one before still counts").argParser(wholeNumber(0, 2_160)).default(48);
const statusCommands = [
  ["suspend", "suspended"],
  ["resume", "active"],
] as const;

const accessEdge = access.command("edge").description("edges beside hospitals");
accessEdge
  .command("list")
  .description("every edge, whom it serves, and which of its secrets count")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (options) => {
    const { accessEdges } = await import("./commands/access.ts");
    await accessEdges(configured(options), options);
  });
for (const [verb, status] of statusCommands)
  accessEdge
    .command(verb)
    .description(verb === "suspend" ? "shut an edge out: stolen, or taken away" : "let an edge in again")
    .argument("<edgeId>")
    .addOption(dataOption())
    .action(async (edgeId: string, options) => {
      const { accessChange } = await import("./commands/access.ts");
      await accessChange(configured(options), { do: "edge.status", edgeId, status }, `${edgeId} is ${status}`);
    });
accessEdge
  .command("rotate")
  .description("give an edge a new secret; it counts from the edge's next start, the one before for a while")
  .argument("<edgeId>")
  .addOption(dataOption())
  .addOption(overlapOption())
  .option("--out <file>", "write the secret there, to be carried to an edge elsewhere")
  .action(async (edgeId: string, options) => {
    const { accessEdgeRotate } = await import("./commands/access.ts");
    await accessEdgeRotate(configured(options), edgeId, options);
  });
accessEdge
  .command("take-secret")
  .description("put a secret that was carried here into this edge's folder")
  .argument("<file>")
  .addOption(dataOption())
  .action(async (file: string, options) => {
    const { accessEdgeTake } = await import("./commands/access.ts");
    await accessEdgeTake(configured(options), file);
  });

const accessPartner = access.command("partner").description("hospitals, pharmacies and apps");
for (const [verb, status] of statusCommands)
  accessPartner
    .command(verb)
    .description(`${verb} a hospital, pharmacy or app`)
    .argument("<orgId>")
    .addOption(dataOption())
    .action(async (orgId: string, options) => {
      const { accessChange } = await import("./commands/access.ts");
      await accessChange(configured(options), { do: "partner.status", orgId, status }, `${orgId} is ${status}`);
    });
accessPartner
  .command("rotate")
  .description("draw a new envelope SECRET for a partner; both count while the overlap lasts")
  .argument("<orgId>")
  .addOption(dataOption())
  .addOption(overlapOption())
  .option("--json", "print one JSON object")
  .action(async (orgId: string, options) => {
    const { accessPartnerRotate } = await import("./commands/access.ts");
    await accessPartnerRotate(configured(options), orgId, options);
  });
for (const change of ["add", "retire"] as const)
  accessPartner
    .command(`${change}-key`)
    .description(`${change} an SM2 public key that a partner signs with`)
    .argument("<orgId>")
    .argument("<publicKey>", "hex, 04‖x‖y")
    .addOption(dataOption())
    .action(async (orgId: string, publicKey: string, options) => {
      const { accessChange } = await import("./commands/access.ts");
      await accessChange(configured(options), { do: "partner.key", orgId, publicKey, change }, `${orgId}: done`);
    });
accessPartner
  .command("offline")
  .description("what edges may take for a hospital or pharmacy while the core is away")
  .argument("<orgId>")
  .addOption(dataOption())
  .requiredOption("--bill <yuan>", "one bill at most", wholeNumber(0, 10_000_000))
  .requiredOption("--sum <yuan>", "all bills of an outage at most", wholeNumber(0, 999_999_999))
  .requiredOption("--minutes <n>", "for how long after the link was lost", wholeNumber(0, 1_440))
  .option("--age <minutes>", "how old an acceptance may be when the core gets it", wholeNumber(0, 1_440), 1_440)
  .action(async (orgId: string, options) => {
    const { accessChange } = await import("./commands/access.ts");
    const allowance = {
      amountMaxFen: `${options.bill * 100}`,
      totalMaxFen: `${options.sum * 100}`,
      forMs: options.minutes * 60_000,
      ageMaxMs: options.age * 60_000,
    };
    await accessChange(configured(options), { do: "partner.offline", orgId, allowance }, `${orgId}: edges know within a minute`);
  });

const accessTerminal = access.command("terminal").description("terminals of hospitals and pharmacies");
for (const [verb, status] of statusCommands)
  accessTerminal
    .command(verb)
    .description(`${verb} a terminal`)
    .argument("<orgId>")
    .argument("<termId>")
    .addOption(dataOption())
    .action(async (orgId: string, termId: string, options) => {
      const { accessChange } = await import("./commands/access.ts");
      await accessChange(configured(options), { do: "terminal.status", orgId, termId, status }, `${termId} is ${status}`);
    });

const accessBinding = access.command("binding").description("accounts that apps want to bind and that wait for their payer");
for (const [verb, step] of [
  ["confirm", "activate"],
  ["refuse", "revoke"],
] as const)
  accessBinding
    .command(verb)
    .description(
      verb === "confirm"
        ? "the payer has confirmed that the account is this person's"
        : "the payer does not know it, or not as this person's",
    )
    .argument("<bindingId>")
    .addOption(dataOption())
    .action(async (bindingId: string, options) => {
      const { accessChange } = await import("./commands/access.ts");
      await accessChange(configured(options), { do: "binding.decide", bindingId, step }, `${bindingId}: done`);
    });

const accessKey = access.command("key").description("the platform's keys that edges trust: bundle, code");
accessKey
  .command("list")
  .description("every version of a key")
  .argument("<purpose>", "bundle or code")
  .addOption(dataOption())
  .option("--json", "print one JSON object")
  .action(async (purpose: string, options) => {
    const { accessKeys } = await import("./commands/access.ts");
    await accessKeys(configured(options), keyPurpose(purpose), options);
  });
accessKey
  .command("add")
  .description("announce a new version; a code key signs a day later, when every edge knows it, unless --now")
  .argument("<purpose>", "bundle or code")
  .addOption(dataOption())
  .option("--now", "sign with it at once: edges without a link will not know it")
  .action(async (purpose: string, options) => {
    const { accessChange } = await import("./commands/access.ts");
    const lead = options.now === true ? { leadMs: 0 } : {};
    await accessChange(configured(options), { do: "key.add", purpose: keyPurpose(purpose), ...lead }, `a new ${purpose} key is announced`);
  });
accessKey
  .command("retire")
  .description("believe a version no more; never the last one")
  .argument("<handle>", "for example code.sign/1")
  .addOption(dataOption())
  .action(async (handle: string, options) => {
    const { accessChange } = await import("./commands/access.ts");
    await accessChange(configured(options), { do: "key.retire", handle }, `${handle} is retired`);
  });

function keyPurpose(text: string): "bundle" | "code" {
  if (text === "bundle" || text === "code") return text;
  throw new UsageError(`no keys for ${text}: bundle or code`);
}

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
