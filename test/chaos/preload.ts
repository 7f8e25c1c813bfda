/**
 * Loaded into the processes under test before anything of ours (`node --import`), steered from outside by files and an
 * environment of the test's own: a clock that is wrong, a line to the broker that leads through the test's proxy, and for
 * the control run a settlement worker that knows no request again.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { join } from "node:path";

const LOOK_EVERY_MS = 50;

const folder = process.env["CHAOS_FOLDER"];
const part = process.argv[3] ?? "";
if (folder !== undefined && process.argv[2] === "serve") {
  shiftClock(join(folder, `clock-${part}`));
  const [from, to] = (process.env["CHAOS_REDIRECT"] ?? "").split("=").map(Number);
  if (from !== undefined && to !== undefined) redirect(from, to);
  if (process.env["CHAOS_CONTROL"] === "noDeduplication") interpose("../../core/settlement/worker.ts", "./forgetful-worker.ts");
}

/** Date tells the machine's time and what the file says, ms; `<file>.seen` says what it tells now. */
function shiftClock(file: string): void {
  let shiftMs = 0;
  const look = (): void => {
    const wanted = readShift(file);
    if (wanted === shiftMs) return;
    shiftMs = wanted;
    writeFileSync(`${file}.seen`, String(shiftMs));
  };
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
  const { now } = Date;
  Date.now = () => now() + shiftMs;
}

function readShift(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

/** A broker names its own address to whoever asks, so the way to it is bent where the client connects. */
function redirect(from: number, to: number): void {
  const connect = net.connect.bind(net) as (...args: unknown[]) => net.Socket;
  const bent = (...args: unknown[]): net.Socket => {
    const [first, ...rest] = args;
    if (typeof first === "object" && first !== null && "port" in first && Number(first.port) === from)
      return connect({ ...first, port: to }, ...rest);
    return connect(...args);
  };
  Object.assign(net, { connect: bent, createConnection: bent });
  syncBuiltinESMExports();
}

/** Whoever imports the one module gets the other, which alone gets the first. */
function interpose(module: string, other: string): void {
  const [hidden, shown] = [new URL(module, import.meta.url).href, new URL(other, import.meta.url).href];
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      return resolved.url === hidden && context.parentURL !== shown ? { ...resolved, url: shown } : resolved;
    },
  });
}
