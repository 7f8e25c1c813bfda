/** Rule 1, pure: our postings and the payer's rows, both in the order of keys, walked side by side. */
import type { Posting } from "../books.ts";
import type { StatementLine } from "./statement.ts";
import { type OurRow, printParts } from "./workbench.ts";

export type Met =
  | { readonly ours: OurRow; readonly theirs: StatementLine }
  | { readonly ours: OurRow; readonly theirs: undefined }
  | { readonly ours: undefined; readonly theirs: StatementLine };

/** Gives every row of both sides once, together where the keys are equal. Both sides come strictly ascending. */
export async function* sideBySide(ours: AsyncIterable<OurRow>, theirs: AsyncIterable<StatementLine>): AsyncGenerator<Met> {
  const [left, right] = [ours[Symbol.asyncIterator](), theirs[Symbol.asyncIterator]()];
  let [a, b] = [await left.next(), await right.next()];
  while (a.done !== true || b.done !== true) {
    if (a.done === true || (b.done !== true && b.value.key < a.value.key)) {
      if (b.done !== true) yield { ours: undefined, theirs: b.value };
      b = await ascending(right, b);
    } else if (b.done === true || a.value.key < b.value.key) {
      yield { ours: a.value, theirs: undefined };
      a = await ascending(left, a);
    } else {
      yield { ours: a.value, theirs: b.value };
      [a, b] = [await ascending(left, a), await ascending(right, b)];
    }
  }
}

async function ascending<T extends { readonly key: string }>(
  rows: AsyncIterator<T>,
  before: IteratorResult<T>,
): Promise<IteratorResult<T>> {
  const next = await rows.next();
  if (next.done !== true && before.done !== true && next.value.key <= before.value.key)
    throw new Error("rows to be matched come in the order of their keys");
  return next;
}

/** What both sides say differently of one movement; nothing when they agree. */
export type Disagreement = "kind" | "institution" | "amount" | "parts";

/** One movement as both sides have it. */
export interface Pair {
  readonly ours: OurRow;
  readonly theirs: StatementLine;
  readonly what: readonly Disagreement[];
}

/** Only what the payer states is compared: some payers do not split an amount into fund sources. */
export function disagreements(
  ours: Pick<Posting, "kind" | "institution" | "amount" | "parts">,
  theirs: Pick<StatementLine, "kind" | "institution" | "amount" | "parts">,
): readonly Disagreement[] {
  return [
    ...(ours.kind === theirs.kind ? [] : (["kind"] as const)),
    ...(ours.institution === theirs.institution ? [] : (["institution"] as const)),
    ...(ours.amount === theirs.amount ? [] : (["amount"] as const)),
    ...(theirs.parts.length === 0 || printParts(ours.parts) === printParts(theirs.parts) ? [] : (["parts"] as const)),
  ];
}

/** The postings of all shards in one order; each shard gives its own in the order of keys. */
export async function* inOrderOfKeys(shards: readonly AsyncIterable<OurRow>[]): AsyncGenerator<OurRow> {
  const heads = await Promise.all(
    shards.map(async (rows) => {
      const iterator = rows[Symbol.asyncIterator]();
      return { iterator, next: await iterator.next() };
    }),
  );
  for (;;) {
    let least: (typeof heads)[number] | undefined;
    for (const head of heads)
      if (head.next.done !== true && (least === undefined || least.next.done === true || head.next.value.key < least.next.value.key))
        least = head;
    if (least === undefined || least.next.done === true) return;
    yield least.next.value;
    least.next = await least.iterator.next();
  }
}
