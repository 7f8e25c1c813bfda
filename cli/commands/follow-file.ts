/** What `ronghe ledger follow` writes down to go on from. */
import * as v from "valibot";
import type { FollowedState } from "../../ledger/witness/follower.ts";
import { bitCount } from "../../ledger/verifier/tree.ts";
import { UsageError } from "../config.ts";
import { isThere } from "../platform/files.ts";
import { readHandedText } from "../platform/handed-file.ts";
import type { WrittenStanding } from "./follow-standing.ts";
import type { Place } from "./left-out.ts";

const STATE_BYTES_MAX = 256 * 1024 * 1024;

/** Records of the entries topic from one offset up to another, which is not among them. */
export interface Span {
  readonly partition: number;
  readonly from: bigint;
  readonly to: bigint;
}

export function spansOf(places: readonly Place[]): readonly Span[] {
  const spans: { partition: number; from: bigint; to: bigint }[] = [];
  const sorted = places.toSorted((a, b) => a.partition - b.partition || (a.offset < b.offset ? -1 : 1));
  for (const { partition, offset } of sorted) {
    const last = spans.at(-1);
    if (last?.partition === partition && last.to === offset) last.to += 1n;
    else spans.push({ partition, from: offset, to: offset + 1n });
  }
  return spans;
}

const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const decimal = v.pipe(v.string(), v.regex(/^\d{1,19}$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const log = v.pipe(
  v.strictObject({
    base: v.strictObject({ size: count, peaks: v.array(hex) }),
    last: v.exactOptional(v.strictObject({ hash: hex, postedMs: decimal })),
    accepted: decimal,
    roots: v.array(v.tuple([decimal, hex])),
    recent: v.array(v.tuple([count, hex])),
    waiting: v.array(v.strictObject({ size: decimal, root: hex, hasQuorum: v.boolean() })),
    counts: v.strictObject({ entries: count, duplicates: count, checkpoints: count, reissued: count, unwitnessed: count }),
  }),
  // One that contradicts itself was written by nobody: what it says would end in a defect that the log does not have.
  v.check(({ base, last }) => base.peaks.length === bitCount(base.size) && base.size > 0 === (last !== undefined)),
  v.check(({ base, accepted }) => BigInt(accepted) <= base.size),
  v.check(({ base, waiting }) => waiting.every(({ size }) => BigInt(size) >= base.size)),
);
const stateFile = v.strictObject({
  format: v.literal("ronghe-follow/2"),
  /** Next offset by `<topic>/<partition>`, and the record before it. */
  next: v.record(v.pipe(v.string(), v.regex(/^[^/]+\/\d{1,9}$/)), v.strictObject({ offset: decimal, last: hex })),
  /** By origin, where its newest entry stood; `missing`: not again since the partition counts anew. */
  seen: v.record(v.string(), v.strictObject({ partition: count, missing: v.boolean() })),
  /** Entries under no checkpoint yet. */
  behind: v.array(v.strictObject({ partition: count, from: decimal, to: decimal })),
  logs: v.record(v.string(), log),
});
export interface FollowFile extends WrittenStanding {
  readonly format: "ronghe-follow/2";
  readonly behind: readonly { readonly partition: number; readonly from: string; readonly to: string }[];
  readonly logs: Readonly<Record<string, FollowedState>>;
}

/** `undefined`: there is none yet. */
export async function readFollowFile(state: string): Promise<FollowFile | undefined> {
  if (!isThere(state)) return undefined;
  const text = await readHandedText(state, STATE_BYTES_MAX);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), stateFile), text, { abortEarly: true });
  if (!parsed.success) throw new UsageError(`${state} is not a state of \`ledger follow\`; --from beginning starts anew`);
  return parsed.output;
}
