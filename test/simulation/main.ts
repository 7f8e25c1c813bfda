/**
 * `npm run test:simulation -- --seeds 10000 [--from 1]`, or one of them with all that happened: `-- --seed 4711`.
 */
import { parseArgs } from "node:util";
import { progressBar } from "../../cli/progress.ts";
import { FAULTS } from "./chance.ts";
import { simulate } from "./runner.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "10000" }, from: { type: "string", default: "1" }, seed: { type: "string" } },
});
const one = values.seed === undefined ? undefined : wholeNumber(values.seed, "--seed");
const from = one ?? wholeNumber(values.from, "--from");
const count = one === undefined ? wholeNumber(values.seeds, "--seeds") : 1;
const bar = progressBar("seeds");
const began = performance.now();
const ends = await simulate({
  seeds: Array.from({ length: count }, (_, at) => from + at),
  traced: one !== undefined,
  onEnd: (_, done) => bar.update(done, count),
});
bar.stop();
const failed = ends.filter(({ findings }) => findings.length > 0);
if (one !== undefined) for (const line of ends[0]?.trace ?? []) process.stdout.write(`${line}\n`);
for (const { seed, findings } of failed) {
  process.stdout.write(`seed ${seed} failed; npm run test:simulation -- --seed ${seed} shows all that happened:\n`);
  for (const finding of findings) process.stdout.write(`  ${finding}\n`);
}
if (one === undefined)
  for (const fault of FAULTS)
    process.stdout.write(`${String(ends.reduce((sum, { hit }) => sum + (hit.get(fault) ?? 0), 0)).padStart(8)} ${fault}\n`);
const total = (of: "acknowledged" | "settled" | "refunded"): number => ends.reduce((sum, { counts }) => sum + counts[of], 0);
process.stdout.write(
  `${ends.length} seeds, ${failed.length} failed, ${total("acknowledged")} requests acknowledged, ${total("settled")} settled, ` +
    `${total("refunded")} refunded, ${(ends.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / ends.length).toFixed(0)} ms of CPU each, ${((performance.now() - began) / 1000).toFixed(1)} s${one === undefined ? "" : `, trace ${ends[0]?.digest}`}\n`,
);
process.exitCode = failed.length > 0 ? 1 : 0;

function wholeNumber(text: string, name: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    process.stderr.write(`${name} is a whole number from 1\n`);
    process.exit(2);
  }
  return Number(text);
}
