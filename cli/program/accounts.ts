/** The commands of accountants: one bill, payers' statements, accounting days; and erasure under an order. */
import { type Command, Option } from "commander";
import { ENCODINGS } from "../../core/settlement/reconcile/mapping.ts";
import { byOption, configured, dataOption, langOption } from "./options.ts";

export function addAccountCommands(program: Command): void {
  const settlement = program.command("settlement").description("one bill");
  settlement
    .command("show")
    .description("the story of one settlement: states, legs, transfers, ledger entries with their proofs, refunds, reconciliation")
    .argument("<name>", "settlement id, or INSTITUTION/OUTTRADENO")
    .addOption(dataOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (name: string, options) => {
      const { settlementShow } = await import("../commands/settlement.ts");
      process.exitCode = await settlementShow(configured(options), name, options);
    });

  const reconcile = program.command("reconcile").description("payers' statements against the books (对账)");
  reconcile
    .command("run")
    .description("compare a payer's day: totals first, rows where they differ or something is open")
    .addOption(railOption())
    .addOption(new Option("--day <yyyy-mm-dd>", "the payer's day").makeOptionMandatory())
    .addOption(byOption())
    .option("--file <csv>", "the statement as a file, instead of asking the payer")
    .addOption(new Option("--encoding <encoding>", "of the file (default: what the mapping or the file says)").choices(ENCODINGS))
    .option("--details", "compare row by row even where the totals are equal")
    .addOption(dataOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { reconcileRun } = await import("../commands/reconcile.ts");
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
      const { reconcileList } = await import("../commands/reconcile.ts");
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
      const { reconcileShow } = await import("../commands/reconcile.ts");
      await reconcileShow(configured(options), id, options);
    });
  for (const [name, what, description] of [
    ["assign", "assign", "give a difference to somebody, who looks into it"],
    ["resolve", "resolve", "close a difference that is explained"],
    ["suspend", "suspend", "put its amount into suspense (挂账)"],
    ["release", "release", "take its amount out of suspense: the payer settled it"],
    ["write-off", "writeOff", "give its amount up (核销); needs a second person"],
    ["give-back", "giveBack", "refund what a payer keeps of a refused bill (退回); needs a second person"],
    ["book", "book", "take a movement that only the payer has into the books (补账); needs a second person"],
    ["take-back", "takeBack", "take it out of the books again: the order was wrong; needs a second person"],
  ] as const) {
    const command = reconcile.command(name).description(description).argument("<case>").addOption(byOption());
    if (what === "assign") command.option("--to <person>", "whose it is now (default: --by)");
    else command.option("--reason <reason>", "why, from the closed list");
    if (what === "writeOff" || what === "giveBack" || what === "book" || what === "takeBack")
      command.option("--approved-by <person>", "the second person");
    if (what === "book") {
      command.option("--settlement <institution/outTradeNo>", "the bill or refund that it belongs to");
      command.option("--institution <institution>", "the institution, where it belongs to no bill");
    }
    command
      .option("--note <text>", "for colleagues; the ledger holds a commitment to it only")
      .addOption(dataOption())
      .addOption(langOption())
      .option("--json", "print one JSON object")
      .action(async (id: string, options) => {
        const { reconcileStep } = await import("../commands/reconcile.ts");
        process.exitCode = await reconcileStep(configured(options), what, id, options);
      });
  }
  addMappingCommands(reconcile);
}

const railOption = (): Option => new Option("--rail <rail>", "insurance, commercial or bank").makeOptionMandatory();

function addMappingCommands(reconcile: Command): void {
  const mapping = reconcile.command("mapping").description("how each payer writes its statement files (列映射)");
  mapping
    .command("set")
    .description("read this payer's files so from now on; kept with who set it, when, and its hash")
    .argument("<file>", "the mapping, JSON (docs/settlement.md)")
    .addOption(railOption())
    .addOption(byOption())
    .addOption(dataOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (file: string, options) => {
      const { mappingSet } = await import("../commands/mapping.ts");
      process.exitCode = await mappingSet(configured(options), file, options);
    });
  mapping
    .command("show")
    .description("the mapping in force for a payer, as JSON that can be set again")
    .addOption(railOption())
    .addOption(dataOption())
    .option("--json", "with who set it, when, and its hash")
    .action(async (options) => {
      const { mappingShow } = await import("../commands/mapping.ts");
      await mappingShow(configured(options), options);
    });
  mapping
    .command("list")
    .description("every mapping that was ever set")
    .option("--rail <rail>", "one payer only")
    .addOption(dataOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { mappingList } = await import("../commands/mapping.ts");
      await mappingList(configured(options), options);
    });
  mapping
    .command("test")
    .description("read a file and show what it says; nothing is compared, nothing is written")
    .argument("<statement>", "the payer's file")
    .addOption(railOption())
    .option("--mapping <file>", "a mapping that is not set yet, instead of the one in force")
    .addOption(new Option("--encoding <encoding>", "of the file (default: what the mapping or the file says)").choices(ENCODINGS))
    .addOption(dataOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (file: string, options) => {
      const { mappingTest } = await import("../commands/mapping.ts");
      process.exitCode = await mappingTest(configured(options), file, options);
    });
}

export function addErasureCommand(program: Command): void {
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
      const { erase } = await import("../commands/erase.ts");
      process.exitCode = await erase(configured(options), options);
    });
}

export function addDayCommands(program: Command): void {
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
      const { dayClose } = await import("../commands/day.ts");
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
      const { dayShow } = await import("../commands/day.ts");
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
      const { dayStatement } = await import("../commands/day.ts");
      process.exitCode = await dayStatement(configured(options), options);
    });
}
