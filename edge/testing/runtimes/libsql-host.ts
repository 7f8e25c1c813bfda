/** Ports of an edge over a libSQL file, on the runtime that runs this file (Node, Deno), for a test in another process. */
import { join } from "node:path";
import { loadCrypto } from "../../../core/crypto/index.ts";
import { fromHex } from "../../../core/protocol/bytes.ts";
import { systemClock } from "../../../core/protocol/time.ts";
import { openDatabase } from "../../../migrations/database.ts";
import { enqueue, startForwarder } from "../../../streams/bus/outbox.ts";
import { createCoreCall } from "../../app/core-calls.ts";
import { createCoreBus } from "../../core-bus.ts";
import { openEdgeState } from "../../node/state.ts";
import { startResults } from "../../results.ts";
import type { HostSettings } from "./hosts.ts";
import { answering } from "./wire.ts";

const settings = JSON.parse(process.argv[2] ?? "") as HostSettings;
const { listen } = await (process.versions["deno"] === undefined ? import("../../node/listen.ts") : import("../../deno/listen.ts"));
const crypto = await loadCrypto();
const clock = systemClock;
const link = {
  url: settings.coreUrl,
  edgeId: settings.edgeId,
  key: fromHex(settings.secret) ?? new Uint8Array(),
  crypto,
  clock,
  fetch: (request: Request) => fetch(request),
};
const db = await openDatabase({ kind: "edge", file: join(settings.folder, "edge.db") });
const bus = createCoreBus(createCoreCall(link));
const outbox = startForwarder({ db, bus, clock, limits: { retryMinMs: 20, retryMaxMs: 200 } });
const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
const results = await startResults({ bus, db, edgeId: settings.edgeId });
const inside = {
  sql: async (query: string) =>
    /^\s*SELECT/i.test(query) ? await db.read(query) : await db.write([{ sql: query, args: [] }]).then(() => []),
};
const server = await listen(
  answering(() => ({ state, results, outbox, inside })),
  { host: "127.0.0.1", port: 0 },
);
process.on("SIGTERM", () => {
  void (async () => {
    results.release();
    await server.close();
    await results.stop();
    await state.close(clock.now());
    await outbox.stop();
    await bus.close();
    await db.close();
    process.exit(0);
  })();
});
console.log(server.url);
