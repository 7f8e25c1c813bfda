/** What must hold after each scenario: ledger, payers and hospitals tell one story. */
import { layoutOf, readPlatform, readRuntime } from "../../cli/platform/layout.ts";
import { shardOrigin } from "../../cli/platform/core.ts";
import { readLeaves } from "../../core/settlement/testing/compare.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import { openDatabase } from "../../migrations/database.ts";
import { ronghe } from "../harness/process.ts";
import type { Asked } from "./desks.ts";

interface Totals {
  readonly doubled: number;
  readonly legs: readonly { readonly settlementId: string; readonly captured: string; readonly refunded: string }[];
}

/** @param asked everything that was ever asked of this platform. */
export async function findingsOf(data: string, asked: readonly Asked[]): Promise<readonly string[]> {
  const findings: string[] = [];
  const layout = layoutOf(data);
  const { railsAdminUrl } = await readRuntime(layout);
  const totals = (await (await fetch(`${railsAdminUrl}/admin/totals`)).json()) as Totals;
  if (totals.doubled !== 0) findings.push(`${totals.doubled} payments were made twice`);
  const verified = await ronghe(["ledger", "verify", "--json"], { RONGHE_DATA: data });
  if (verified.code !== 0) findings.push(`the ledger does not verify: ${verified.stdout}`);
  findings.push(...paymentsDiffer(totals, asked), ...notOnce(await openingsIn(data), asked));
  return findings;
}

/** First entries of requests, by institution and number. */
async function openingsIn(data: string): Promise<ReadonlyMap<string, readonly Leaf[]>> {
  const layout = layoutOf(data);
  const platform = readPlatform(layout);
  const openings = new Map<string, Leaf[]>();
  for (let partition = 0; partition < platform.partitions; partition++) {
    const db = await openDatabase({ kind: "shard", file: layout.core.shard(partition), readOnly: true });
    try {
      for (const leaf of await readLeaves(db)) {
        if (leaf.origin !== shardOrigin(platform, partition)) throw new Error(`a leaf of ${leaf.origin} in shard ${partition}`);
        if (!leaf.actor.startsWith("edge/")) continue;
        const name = `${leaf.institution}/${leaf.idempotencyKey}`;
        openings.set(name, [...(openings.get(name) ?? []), leaf]);
      }
    } finally {
      await db.close();
    }
  }
  return openings;
}

function notOnce(openings: ReadonlyMap<string, readonly Leaf[]>, asked: readonly Asked[]): readonly string[] {
  const findings: string[] = [];
  const names = new Set(asked.map(({ institution, outTradeNo }) => `${institution}/${outTradeNo}`));
  for (const { institution, outTradeNo, acknowledged } of asked) {
    const times = openings.get(`${institution}/${outTradeNo}`)?.length ?? 0;
    if (times > 1 || (acknowledged && times !== 1)) findings.push(`${outTradeNo} is ${times} times in the ledger`);
  }
  for (const name of openings.keys()) if (!names.has(name)) findings.push(`${name} is in the ledger, and nobody asked for it`);
  return findings;
}

/** What a bill moved in sum is what its hospital was told of it and of its refunds. */
function paymentsDiffer({ legs }: Totals, asked: readonly Asked[]): readonly string[] {
  const findings: string[] = [];
  const moved = new Map<string, bigint>();
  for (const { settlementId, captured, refunded } of legs)
    moved.set(settlementId, (moved.get(settlementId) ?? 0n) + fen(captured) - fen(refunded));
  const givenBack = new Set(
    asked.flatMap(({ original, final }) => (original !== undefined && final?.status === "refunded" ? [original] : [])),
  );
  const turnedAway = asked.filter(({ original, final }) => original === undefined && final === undefined);
  for (const { outTradeNo, amount, original, final } of asked) {
    if (original !== undefined || final === undefined) continue;
    const wanted = final.status === "settled" && !givenBack.has(outTradeNo) ? amount : 0n;
    const net = moved.get(final.settlementId) ?? 0n;
    if (net !== wanted) findings.push(`${outTradeNo} was told ${final.status}, and the payers moved ${net} fen, not ${wanted}`);
    moved.delete(final.settlementId);
    const told = (final.legs ?? []).reduce((sum, leg) => sum + fen(leg.amount), 0n);
    if (final.status === "settled" && told !== amount) findings.push(`${outTradeNo}: told legs of ${told} fen for ${amount}`);
  }
  const unexplained = [...moved.values()].filter((net) => net !== 0n).length;
  if (unexplained > turnedAway.length) findings.push(`${unexplained} payments for bills that nobody was told of`);
  return findings;
}

function fen(yuan: string): bigint {
  return BigInt(yuan.replace(".", ""));
}
