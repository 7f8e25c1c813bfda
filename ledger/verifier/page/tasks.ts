/** What is to be verified with what, out of everything that lies on the table. */
import { utf8Text } from "../bytes.ts";
import type { TextKind } from "../session.ts";
import type { PlacedFile, Task } from "./messages.ts";

export type Item = { readonly id: number; readonly name: string } & (
  | { readonly kind: TextKind; readonly bytes: Uint8Array }
  | { readonly kind: "export"; readonly files: readonly PlacedFile[]; readonly systemFiles: number }
);

type TextItem = Extract<Item, { readonly bytes: Uint8Array }>;

/** The policy put in last is the one in force. */
export function policyOf(items: readonly Item[]): TextItem | undefined {
  return textsOf(items, "policy").at(-1);
}

/**
 * Each receipt, range and export by itself. Checkpoints beside an export are what the auditor kept of it. Without one, the
 * newest checkpoint of each log is verified against each older one.
 */
export function tasksOf(items: readonly Item[]): readonly Task[] {
  const checkpoints = textsOf(items, "checkpoint");
  const [consistency] = textsOf(items, "consistency").slice(-1);
  const proof = consistency === undefined ? {} : { consistency: { name: consistency.name, bytes: consistency.bytes } };
  const whole = (["receipt", "range"] as const).flatMap((kind) => textsOf(items, kind).map(({ name, bytes }) => ({ kind, name, bytes })));
  const exports = items.flatMap((item) =>
    item.kind === "export"
      ? [{ kind: "export" as const, name: item.name, files: item.files, known: checkpoints.map((checkpoint) => checkpoint.bytes) }]
      : [],
  );
  return [...whole, ...exports, ...(exports.length > 0 ? [] : checkpointTasks(checkpoints, proof))];
}

function checkpointTasks(
  checkpoints: readonly TextItem[],
  proof: { readonly consistency?: { readonly name: string; readonly bytes: Uint8Array } },
): readonly Task[] {
  const byLog = new Map<string, TextItem[]>();
  for (const checkpoint of checkpoints) {
    const [origin] = headLines(checkpoint);
    byLog.set(origin, [...(byLog.get(origin) ?? []), checkpoint]);
  }
  return [...byLog.values()].flatMap((ofLog) => {
    const [newest, ...older] = ofLog.toSorted((a, b) => (headLines(b)[1] > headLines(a)[1] ? 1 : -1));
    if (newest === undefined) return [];
    const task = { kind: "checkpoint" as const, name: newest.name, bytes: newest.bytes };
    return older.length === 0 ? [task] : older.map(({ name, bytes }) => ({ ...task, older: { name, bytes }, ...proof }));
  });
}

/** What a checkpoint claims: only the order in which they are shown hangs on it. */
function headLines({ bytes }: TextItem): readonly [origin: string, size: bigint] {
  const [origin = "", size = ""] = (utf8Text(bytes) ?? "").split("\n");
  return [origin, /^\d{1,19}$/.test(size) ? BigInt(size) : 0n];
}

function textsOf(items: readonly Item[], kind: TextKind): readonly TextItem[] {
  return items.flatMap((item) => (item.kind === kind ? [item] : []));
}
