/**
 * A demo whose every outlet is open, in a process of its own: request lines on, traces sent, metrics scraped, and strangers who
 * put secrets where none belong. Writes what must not be found (`secrets`, one a line) and what was shown (`shown`).
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { readConfig } from "../../cli/config.ts";
import { demo } from "../../cli/demo/demo.ts";
import type { RunningPlatform } from "../../cli/platform/run.ts";
import { topicPlan } from "../../streams/contracts/codec.ts";

const [, , data = "", settlements = "", secrets = "", shown = ""] = process.argv;
let first: string | undefined;
writeFileSync(secrets, "");

/** Addresses and headers that hold a code, as a badly made client would send them. */
async function missent(urls: readonly string[], secret: string): Promise<void> {
  const path = encodeURIComponent(secret);
  for (const url of urls)
    for (const [address, init] of [
      [`/${path}`, {}],
      [`/v1/${path}`, { method: "POST", body: secret }],
      [`/v1/rh.settle?code=${path}`, { method: "POST", body: JSON.stringify({ orgId: secret, code: secret }) }],
      [`/internal/v1/${path}`, { method: "POST", body: secret }],
      [`/ledger/v1/checkpoint?origin=${path}`, {}],
      ["/health", { headers: { traceparent: secret, "user-agent": secret } }],
    ] as const)
      await (await fetch(`${url}${address}`, init)).arrayBuffer();
}

async function everythingShown({ bus, core, edge, platform }: RunningPlatform): Promise<void> {
  if (bus === undefined || core === undefined || edge === undefined || first === undefined) throw new Error("a demo runs all parts");
  await missent([edge.url, core.url], first);
  const pages = ["/health", "/ready", "/metrics", "/status", "/openapi.json", "/ledger/v1/witnesses"];
  for (const url of [edge.url, core.url])
    for (const page of pages) appendFileSync(shown, `${url}${page}\n${await (await fetch(`${url}${page}`)).text()}\n`);
  for (const { name, partitions } of topicPlan(platform.partitions))
    for (let partition = 0; partition < partitions; partition++)
      for (let next = 0n; ;) {
        const records = await bus.read(name, partition, next, 500);
        const last = records.at(-1);
        if (last === undefined) break;
        next = last.offset + 1n;
        for (const { key, headers, value } of records)
          appendFileSync(shown, Buffer.concat([Buffer.from(`${name} ${key} ${JSON.stringify(headers)} `), value, Buffer.from("\n")]));
      }
}

process.exitCode = await demo(readConfig({ ...process.env, RONGHE_DATA: data }), {
  once: true,
  json: false,
  seed: 1,
  settlements: Number(settlements),
  data,
  watch: {
    onSecret(secret) {
      first ??= secret;
      appendFileSync(secrets, `${secret}\n`);
    },
    beforeStop: everythingShown,
  },
});
