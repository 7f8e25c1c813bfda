/**
 * A core that works through rounds of bills and refunds until it is done, or ends itself with `kill -9` at a numbered
 * point: before or after any write, any call to a payer, any publication. Says each round that it finished.
 */
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { loadCrypto } from "../../crypto/index.ts";
import { fromHex, toHex, utf8 } from "../../protocol/bytes.ts";
import { systemClock } from "../../protocol/time.ts";
import type { Database } from "../../../migrations/database.ts";
import { openEmbeddedBus } from "../../../streams/bus/embedded.ts";
import { topicPlan } from "../../../streams/contracts/codec.ts";
import type { Rail } from "../rails/port.ts";
import { requestRecord, type RoomOptions, startRoom, TableVault } from "./room.ts";
import { requestsOf } from "./kill-rounds.ts";

export interface KillChildOptions {
  readonly folder: string;
  readonly urls: RoomOptions["urls"];
  /** Hex. */
  readonly privateKey: string;
  readonly publicKey: string;
  readonly railsKey: string;
  readonly fromRound: number;
  readonly toRound: number;
  /** The point at which it ends; never when absent. */
  readonly killAt?: number;
}

const options = JSON.parse(process.argv[2] ?? "") as KillChildOptions;
const { folder, urls } = options;
let points = 0;
function pass(): void {
  points++;
  if (points === options.killAt) process.kill(process.pid, "SIGKILL");
}
async function around<T>(work: () => Promise<T>): Promise<T> {
  pass();
  const value = await work();
  pass();
  return value;
}

const crypto = await loadCrypto();
const clock = systemClock;
const vault = new TableVault();
// A credential serves one bill; the person behind it is the same each round.
for (let round = 0; round < options.toRound; round++)
  for (const name of ["rich", "poor"])
    vault.people.set(`${name}-${round}`, {
      person: toHex(crypto.sm3(utf8(name))),
      insurance: { accountId: `i-${name}`, insuOrg: "510104" },
      commercial: { authorisationId: `c-${name}` },
      bank: { contractId: `b-${name}` },
    });
const plain = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
await plain.ensureTopics(topicPlan(1));
const bus: typeof plain = {
  ensureTopics: (topics) => plain.ensureTopics(topics),
  publish: (records) => around(() => plain.publish(records)),
  consume: (subscription, handler) => plain.consume(subscription, handler),
  read: (...where) => plain.read(...where),
  endOffsets: (topic) => plain.endOffsets(topic),
  health: () => plain.health(),
  close: () => plain.close(),
};
const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);
const keys = { privateKey: bytes(options.privateKey), publicKey: bytes(options.publicKey) };
const room = await startRoom(
  { folder, crypto, clock, vault, bus, urls, keys, railsKey: bytes(options.railsKey) },
  {
    database: (db): Database => ({
      file: db.file,
      busyCount: db.busyCount,
      write: (statements, durability) => around(() => db.write(statements, durability)),
      read: (sql, ...args) => db.read(sql, ...args),
      close: () => db.close(),
    }),
    rail: (rail): Rail => ({
      name: rail.name,
      authorise: (request, asking) => around(() => rail.authorise(request, asking)),
      capture: (request, asking) => around(() => rail.capture(request, asking)),
      void: (request, asking) => around(() => rail.void(request, asking)),
      refund: (request, asking) => around(() => rail.refund(request, asking)),
      query: (key) => around(() => rail.query(key)),
      close: () => rail.close(),
    }),
  },
);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
// A process that is killed writes no compile cache, and there are many of them.
flushCompileCache();
say("ready");
// What an earlier process left open comes first: a refund follows its bill.
await room.worker.drained();
for (let round = options.fromRound; round < options.toRound; round++) {
  await bus.publish(requestsOf(round).map((request) => requestRecord(crypto, request)));
  await room.worker.drained();
  say(`done ${round}`);
}
await room.stop();
await bus.close();
