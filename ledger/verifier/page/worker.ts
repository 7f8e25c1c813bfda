/** Verifies beside the page, so that it stays awake and can end what takes long. */
import { toHex, utf8, utf8Text } from "../bytes.ts";
import { verifyCheckpointText } from "../checkpoint.ts";
import { verifyExport } from "../export.ts";
import { type ExportFiles, UnfitFileError } from "../export-files.ts";
import { bytesMaxOf } from "../export-layout.ts";
import { TAG } from "../leaf.ts";
import type { VerifiedLeaf } from "../log.ts";
import type { Policy, VerifierCrypto } from "../note.ts";
import { parsePolicy } from "../policy.ts";
import { describeQuorum } from "../quorum.ts";
import { logsOf, readQuestion } from "../question.ts";
import { type RangeQuestion, verifyRange } from "../range.ts";
import { verifyReceipt } from "../receipt.ts";
import type { FileHash, FromWorker, KindCount, Outcome, PlacedFile, PolicySummary, Task, ToWorker } from "./messages.ts";
import { wasmCrypto } from "./wasm-crypto.ts";

/** Not more often than this, entries between two messages about progress. */
const PROGRESS_STEP = 2_000;

let crypto: VerifierCrypto | undefined;
let running: { readonly id: number; aborted: boolean } | undefined;
/** One verification after another: a cancelled one still has to end. */
let queue: Promise<void> = Promise.resolve();

const tell = (message: FromWorker): void => postMessage(message);

onmessage = (event: MessageEvent<ToWorker>): void => {
  const message = event.data;
  if (message.type === "cancel") {
    if (running?.id === message.id) running.aborted = true;
    return;
  }
  queue = queue.then(() => handle(message));
};

async function handle(message: Exclude<ToWorker, { readonly type: "cancel" }>): Promise<void> {
  if (message.type === "start") {
    try {
      crypto = await wasmCrypto(message.wasm);
      tell({ type: "ready", pageSm3: toHex(crypto.sm3(utf8(message.page))) });
    } catch (error) {
      tell({ type: "unfit", why: error instanceof Error ? error.message : "unknown" });
    }
    return;
  }
  if (crypto === undefined) return;
  if (message.type === "policy") tell({ type: "policy", id: message.id, summary: summaryOf(crypto, message.bytes) });
  else await verify(crypto, message);
}

async function verify(
  crypto: VerifierCrypto,
  { id, tasks, policy, question }: Extract<ToWorker, { readonly type: "verify" }>,
): Promise<void> {
  const signal = { id, aborted: false };
  running = signal;
  const parsed = policy === undefined ? undefined : parsePolicy(crypto.sm3, textOf(policy));
  const trust = parsed?.ok === true ? parsed.value : undefined;
  const read = readQuestion(question, trust === undefined ? [] : logsOf(trust));
  const asked = read.ok ? read.question : undefined;
  const outcomes: Outcome[] = [];
  for (const task of tasks) outcomes.push(await outcomeOf(crypto, task, { trust, asked }, signal));
  running = undefined;
  tell({ type: "done", id, outcomes });
}

/** Bytes that are no text are read as a character that no format has, so that their checks refuse them. */
function textOf(bytes: Uint8Array): string {
  return utf8Text(bytes) ?? "\u0000";
}

/** What the auditor brings. */
interface Brought {
  readonly trust: Policy | undefined;
  readonly asked: RangeQuestion | undefined;
}

async function outcomeOf(
  crypto: VerifierCrypto,
  task: Task,
  brought: Brought,
  signal: { readonly id: number; readonly aborted: boolean },
): Promise<Outcome> {
  const { name } = task;
  const { trust } = brought;
  if (task.kind === "export") return await exportOutcome(crypto, task, trust, signal);
  if (task.kind !== "checkpoint") return textOutcome(crypto, task, brought);
  const { bytes, older, consistency } = task;
  const report = verifyCheckpointText({
    crypto,
    note: textOf(bytes),
    trust,
    nowMs: Date.now(),
    ...(older === undefined ? {} : { older: textOf(older.bytes) }),
    ...(consistency === undefined ? {} : { consistency: textOf(consistency.bytes) }),
  });
  const hashes = [{ name, bytes }, older, consistency].flatMap((file) =>
    file === undefined ? [] : [hashOf(crypto, file.name, file.bytes)],
  );
  return { kind: "checkpoint", name, hashes, report, ...(older === undefined ? {} : { older: older.name }) };
}

/** What proves itself by its own text, the policy, and, for a range, the question. */
function textOutcome(
  crypto: VerifierCrypto,
  { kind, name, bytes }: Extract<Task, { readonly kind: "receipt" | "range" }>,
  { trust, asked }: Brought,
): Outcome {
  const nowMs = Date.now();
  const hashes = [hashOf(crypto, name, bytes)];
  return kind === "range"
    ? { kind, name, hashes, report: verifyRange(crypto, textOf(bytes), { trust, asked, nowMs }) }
    : { kind, name, hashes, report: verifyReceipt(crypto, textOf(bytes), trust, nowMs) };
}

async function exportOutcome(
  crypto: VerifierCrypto,
  { name, files, known }: Extract<Task, { readonly kind: "export" }>,
  trust: Policy | undefined,
  signal: { readonly id: number; readonly aborted: boolean },
): Promise<Outcome> {
  const source = filesOf(files);
  const kinds = new KindCounter();
  let told = 0;
  const report = await verifyExport({
    files: source,
    crypto,
    ...(trust === undefined ? {} : { trust }),
    knownCheckpoints: known.map(textOf),
    nowMs: Date.now(),
    signal,
    onEntry: (origin, leaf) => kinds.add(origin, leaf),
    onProgress(done, total) {
      if (Number(done) - told < PROGRESS_STEP && done < total) return;
      told = Number(done);
      tell({ type: "progress", id: signal.id, done: told, total: Number(total) });
    },
  });
  const hashes: FileHash[] = [];
  // The index vouches for policy and page, each checkpoint for the entries under it.
  for (const path of ["ronghe-export.txt", "policy", ...report.logs.map((log) => `${log.folder}/checkpoint`)]) {
    const bytes = await source.read(path).catch(() => undefined);
    if (bytes !== undefined) hashes.push(hashOf(crypto, path, bytes));
  }
  return { kind: "export", name, hashes, report, kinds: kinds.counts() };
}

function filesOf(files: readonly PlacedFile[]): ExportFiles {
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  return {
    list: () => Promise.resolve([...byPath.keys()]),
    async read(path) {
      const file = byPath.get(path);
      const bytesMax = bytesMaxOf(path);
      if (file !== undefined && file.size > bytesMax) throw new UnfitFileError(`has more than ${bytesMax} bytes`);
      return file === undefined ? undefined : new Uint8Array(await file.arrayBuffer());
    },
  };
}

class KindCounter {
  readonly #logs = new Map<string, Map<string, { accepted: number; refused: number }>>();

  add(origin: string, { view }: VerifiedLeaf): void {
    const kind = view.text(TAG.kind) ?? "";
    const log = this.#logs.get(origin) ?? new Map<string, { accepted: number; refused: number }>();
    const count = log.get(kind) ?? { accepted: 0, refused: 0 };
    count[view.bytes[view.begin(TAG.outcome)] === 1 ? "accepted" : "refused"] += 1;
    log.set(kind, count);
    this.#logs.set(origin, log);
  }

  counts(): ReadonlyMap<string, readonly KindCount[]> {
    return new Map(
      [...this.#logs].map(([origin, kinds]) => [
        origin,
        [...kinds].map(([kind, count]) => ({ kind, ...count })).sort((a, b) => (a.kind < b.kind ? -1 : 1)),
      ]),
    );
  }
}

function hashOf(crypto: VerifierCrypto, name: string, bytes: Uint8Array): FileHash {
  return { name, bytes: bytes.length, sm3: toHex(crypto.sm3(bytes)) };
}

function summaryOf(crypto: VerifierCrypto, bytes: Uint8Array): PolicySummary {
  const sm3 = toHex(crypto.sm3(bytes));
  const policy = parsePolicy(crypto.sm3, textOf(bytes));
  if (!policy.ok) return { sm3, lines: [], quorum: "", trouble: policy.error.detail };
  const { logs, witnesses } = policy.value;
  return {
    sm3,
    quorum: policy.value.quorum === undefined ? "" : describeQuorum(policy.value),
    lines: [
      ...logs.map((key) => ({
        role: "log" as const,
        name: key.name,
        id: toHex(key.id),
        origins: key.origins ?? [],
        ...(key.sizes === undefined ? {} : { sizes: `${key.sizes.first}..${key.sizes.last ?? ""}` }),
      })),
      ...witnesses.map(({ name, key }) => ({ role: "witness" as const, name, id: toHex(key.id), origins: [] })),
    ],
  };
}
