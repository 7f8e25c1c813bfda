/** The commands of auditors, and of operators for them. */
import { type Command, Option } from "commander";
import { configured, dataOption, wholeNumber } from "./options.ts";
import { addFollowCommands } from "./witness.ts";

export function addLedgerCommands(program: Command): void {
  const ledger = program.command("ledger").description("the SM3 ledger");
  ledger
    .command("verify")
    .description("verify whatever you were handed; status 0 only when everything was checked and is valid, else the first defect by name")
    .argument("[path]", "an export, a receipt, a range, a checkpoint or a consistency proof (default: the data folder)")
    .addOption(dataOption())
    .option(
      "--policy <file>",
      "keys that you trust, as you keep them (default: <data>/ledger-policy.txt; an export without your policy is incomplete)",
    )
    .option("--checkpoint <file...>", "signed checkpoints from an earlier day that the log must contain")
    .option("--consistency <file>", "the proof between a checkpoint and the older one of --checkpoint")
    .option("--institution <orgId>", "of a range: whose entries you asked for, * for everybody's")
    .option("--from <day>", "of a range: from yyyy-mm-dd (UTC+8) or an instant, as you asked (default: the beginning)")
    .option("--to <day>", "of a range: before yyyy-mm-dd or an instant, as you asked (default: up to the checkpoint)")
    .option("--log <origin>", "of a range: the log you asked for (default: that of the institution, by your policy)")
    .option("--registry", "of a range: you asked for the registry's entries of the institution")
    .option("--json", "print one JSON object")
    .action(async (path: string | undefined, options) => {
      const { ledgerVerify } = await import("../commands/ledger-verify.ts");
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
      const { ledgerExport } = await import("../commands/ledger-export.ts");
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
      const { ledgerProve } = await import("../commands/ledger-prove.ts");
      process.exitCode = await ledgerProve(configured(options), options);
    });

  ledger
    .command("consistency")
    .description("write the proof that the log of an export goes on from an older checkpoint")
    .requiredOption("--export <dir>", "the export")
    .requiredOption("--older <file>", "the older checkpoint")
    .requiredOption("--out <file>", "where the proof goes")
    .action(async (options) => {
      const { ledgerConsistency } = await import("../commands/ledger-consistency.ts");
      process.exitCode = await ledgerConsistency(options);
    });
  ledger
    .command("page")
    .description("write the verifier as one file that runs in a browser, without server or network")
    .requiredOption("--out <file>", "where it goes, for example verify.html")
    .action(async (options) => {
      const { ledgerPage } = await import("../commands/ledger-page.ts");
      process.exitCode = await ledgerPage(options);
    });

  ledger
    .command("fsck")
    .description("derive every projection from the leaf bytes again and compare; 1 when anything differs, each difference by name")
    .addOption(dataOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { ledgerFsck } = await import("../commands/ledger-fsck.ts");
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
    .option("--leave-unsigned", "leave out entries behind the newest checkpoint, which anybody may have put on the bus, and end at it")
    .addOption(dataOption())
    .option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)")
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { ledgerRebuild } = await import("../commands/ledger-rebuild.ts");
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
      const { ledgerSearch } = await import("../commands/ledger-search.ts");
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
      const { ledgerProvenance } = await import("../commands/ledger-provenance.ts");
      process.exitCode = await ledgerProvenance(configured(options), options);
    });

  addFollowCommands(ledger);
}
