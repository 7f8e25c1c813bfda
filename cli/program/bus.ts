/** The commands of whoever runs the bus. */
import { type Command, Option } from "commander";
import { DEAD_LETTER_REASONS } from "../../streams/contracts/dead-letter-reasons.ts";
import { configured, dataOption, langOption } from "./options.ts";

const reasonOption = (): Option =>
  new Option("--reason <reason>", "only those put aside for this reason").choices([...DEAD_LETTER_REASONS, "other"]);
const busOption = (): Option => new Option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)");

export function addBusCommands(program: Command): void {
  const bus = program.command("bus").description("the bus between the parts");
  const letters = bus.command("dead-letters").description("records that a consumer could not read or believe, and put aside (死信)");
  letters
    .command("list")
    .description("how many, by topic, reason and consumer")
    .option("--topic <topic>", "of this topic only")
    .addOption(reasonOption())
    .addOption(dataOption())
    .addOption(busOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { deadLettersList } = await import("../commands/dead-letters.ts");
      process.exitCode = await deadLettersList(configured(options), options);
    });
  letters
    .command("show")
    .description("one letter: where its record stands, why it was put aside, its headers; of the content its size and hash")
    .argument("<letter>", "TOPIC/NUMBER, as list shows the first of each kind")
    .addOption(dataOption())
    .addOption(busOption())
    .addOption(langOption())
    .option("--json", "print one JSON object")
    .action(async (letter: string, options) => {
      const { deadLettersShow } = await import("../commands/dead-letters.ts");
      process.exitCode = await deadLettersShow(configured(options), letter, options);
    });
  letters
    .command("replay")
    .description("put records on their topic again under their own id and key; 1 when any would be put aside again")
    .addOption(new Option("--topic <topic>", "the topic they were put aside from").makeOptionMandatory())
    .addOption(reasonOption())
    .addOption(dataOption())
    .addOption(busOption())
    .addOption(langOption())
    .option("--json", "print one JSON object per record, and one of the counts")
    .action(async (options) => {
      const { deadLettersReplay } = await import("../commands/dead-letters.ts");
      process.exitCode = await deadLettersReplay(configured(options), options);
    });
}
