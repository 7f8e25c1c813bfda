/** Prints the folder of the broker's jars, fetching them first where they are not cached; for `kafka-image.sh`. */
import { kafkaJars } from "./kafka-jars.ts";

const jars = kafkaJars();
if (typeof jars === "string") process.stdout.write(`${jars}\n`);
else {
  process.stderr.write(`kafka-image: ${jars.skipped}\n`);
  process.exitCode = 1;
}
