#!/usr/bin/env node
// Starts the command line under the Node this repository pins, whatever Node the system has: TypeScript runs directly from 24 on.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const main = new URL("./main.ts", import.meta.url);
if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import(main.href);
} else {
  const pinned = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
  if (!existsSync(pinned)) {
    console.error(`ronghe needs Node 24, this is ${process.version}: run \`npm ci\` first, it brings the right one`);
    process.exit(1);
  }
  const child = spawn(pinned, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: "inherit" });
  // A signal for the launcher alone is passed on; Ctrl-C reaches the whole foreground group by itself.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
}
