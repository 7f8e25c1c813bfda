/** Runs commands one after the other in one process: what a process costs to start is paid once. */
import { format } from "node:util";

interface Asked {
  readonly args: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

let count = 0;
let stdout = "";
let stderr = "";
const print = (...values: readonly unknown[]): void => void (stdout += `${format(...values)}\n`);
const warn = (...values: readonly unknown[]): void => void (stderr += `${format(...values)}\n`);
console.log = print;
console.error = warn;
process.stdout.write = (text: string | Uint8Array): boolean => {
  stdout += text.toString();
  return true;
};
process.stderr.write = (text: string | Uint8Array): boolean => {
  stderr += text.toString();
  return true;
};

process.on("message", (asked: Asked) => {
  void answer(asked);
});

async function answer({ args, settings }: Asked): Promise<void> {
  stdout = "";
  stderr = "";
  process.exitCode = 0;
  Object.assign(process.env, settings);
  process.argv = [process.execPath, "ronghe", ...args];
  count += 1;
  // A new address makes the module run again; what it imports stays loaded.
  await import(`../../cli/main.ts?${count}`);
  process.send?.({ code: process.exitCode, stdout, stderr });
}
