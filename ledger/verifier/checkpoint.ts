/**
 * A checkpoint by itself: what it shows, whether the witnesses that the policy asks for stand by it, and whether it goes on
 * from an older one.
 */
import { equalBytes, fromBase64, isLonger, toBase64, toHex } from "./bytes.ts";
import {
  asPolicy,
  type Cosigner,
  type Policy,
  type Trust,
  type VerifiedCheckpoint,
  type VerifierCrypto,
  verifyLogSignature,
} from "./note.ts";
import { describeQuorum, meetsQuorum, type QuorumRule } from "./quorum.ts";
import { CheckList, type CheckResult, type Evidence, type Verdict, verdictOf } from "./report.ts";
import { HASH_BYTES, treeHasher, verifyConsistency } from "./tree.ts";
import { type Checked, type Defect, failed, passed, shownDefect } from "./verdict.ts";

/** What a believed checkpoint shows for itself. */
export function checkpointEvidence({ origin, size, root, signers }: VerifiedCheckpoint): Evidence {
  return { origin, size, root: toHex(root), signedBy: signers.map(keyLabel) };
}

/** Name and id of a verifier key: what people compare. The key data stand in the policy. */
function keyLabel(verifierKey: string): string {
  return verifierKey.split("+", 2).join("+");
}

/** `quorumMissing` unless enough witnesses of the policy cosigned. */
export function witnessDefect({ size, cosigners, hasQuorum }: VerifiedCheckpoint, trust: Trust): Defect | undefined {
  if (hasQuorum) return undefined;
  const found = cosigners.length === 0 ? "none" : cosigners.map((cosigner) => cosigner.name).join(", ");
  const detail = `the policy asks for ${describeQuorum(asPolicy(trust))}; cosigners of the checkpoint of size ${size}: ${found}`;
  return { name: "quorumMissing", detail };
}

/** Words and evidence of a quorum that was found, or was not asked for. */
export function witnessEvidence({ cosigners }: VerifiedCheckpoint, policy: Policy): readonly [detail: string, evidence: Evidence] {
  if (policy.quorum === undefined && cosigners.length === 0) return ["the policy asks for no witness", { quorum: "" }];
  const names = cosigners.map((cosigner) => cosigner.name);
  return [
    `${names.join(", ")} cosigned; the policy asks for ${describeQuorum(policy)}`,
    {
      quorum: policy.quorum === undefined ? "" : describeQuorum(policy),
      cosignedBy: names,
      cosignedAt: cosigners.map((cosigner) => new Date(Number(cosigner.timeS) * 1000).toISOString()),
    },
  ];
}

/** Nobody said whose keys are trusted. */
export const NO_POLICY: Defect = { name: "policyMissing", detail: "no policy is at hand: whose signature counts cannot be told" };

/** A policy that is missing, or that says of itself that there is a newer one by now. */
export function policyDefect(trust: Trust | undefined, nowMs: number | undefined): Defect | undefined {
  if (trust === undefined) return NO_POLICY;
  const { untilMs } = asPolicy(trust);
  if (untilMs === undefined || (nowMs !== undefined && BigInt(nowMs) < untilMs)) return undefined;
  const end = new Date(Number(untilMs)).toISOString();
  return {
    name: "policyExpired",
    detail: `the policy counts until ${end}${nowMs === undefined ? ", and the time is not known" : ""}: get the newest one`,
  };
}

/**
 * `headStale` when the policy has a greatest age of heads and this one is older. Its time is the newest at which witnesses
 * enough for the quorum had cosigned: no single one can make a head look younger.
 */
export function ageDefect({ size, cosigners }: VerifiedCheckpoint, trust: Trust, nowMs: number | undefined): Defect | undefined {
  const { headAgeS, ...policy } = asPolicy(trust);
  if (headAgeS === undefined) return undefined;
  const timeS = quorumTimeS(cosigners, policy);
  if (timeS === undefined || nowMs === undefined)
    return {
      name: "headStale",
      detail: `the age of the checkpoint of size ${size} cannot be told: the policy asks for ${headAgeS} s at most`,
    };
  const ageS = BigInt(Math.floor(nowMs / 1000)) - timeS;
  if (ageS <= headAgeS) return undefined;
  return {
    name: "headStale",
    detail: `the quorum cosigned the checkpoint of size ${size} ${ageS} s ago; the policy asks for ${headAgeS} s at most`,
  };
}

function quorumTimeS(cosigners: readonly Cosigner[], rule: QuorumRule): bigint | undefined {
  const names = new Set<string>();
  for (const { name, timeS } of cosigners.toSorted((a, b) => (a.timeS > b.timeS ? -1 : 1))) {
    names.add(name);
    if (meetsQuorum(rule, names)) return timeS;
  }
  return undefined;
}

export const CONSISTENCY_TITLE = "ronghe-consistency/1";
const CONSISTENCY_BYTES_MAX = 64 * 1024;

/** The hashes that lead from one size of a log to another (`FORMAT.md` section 4), as a text to carry beside two checkpoints. */
export function printConsistency(path: readonly Uint8Array[]): string {
  return [CONSISTENCY_TITLE, ...path.map((hash) => `path ${toBase64(hash)}`), ""].join("\n");
}

/** Refuses every text that printing would not give back. */
export function parseConsistency(text: string): Checked<readonly Uint8Array[]> {
  if (isLonger(text, CONSISTENCY_BYTES_MAX)) return failed("proofMalformed", "the consistency proof is too long");
  const [title, ...lines] = text.split("\n");
  if (title !== CONSISTENCY_TITLE || lines.pop() !== "") return failed("proofMalformed", `the first line is not ${CONSISTENCY_TITLE}`);
  const path: Uint8Array[] = [];
  for (const line of lines) {
    const hash = line.startsWith("path ") ? fromBase64(line.slice("path ".length)) : undefined;
    if (hash?.length !== HASH_BYTES) return failed("proofMalformed", "a line is not `path <hash>`");
    path.push(hash);
  }
  return passed(path);
}

export const CHECKPOINT_CHECKS = ["signature", "witnesses", "olderSignature", "consistency"] as const;
export type CheckpointCheck = (typeof CHECKPOINT_CHECKS)[number];

export interface CheckpointReport {
  readonly verdict: Verdict;
  /** `verdict` is `valid`. */
  readonly ok: boolean;
  /** Those about an older checkpoint only when there is one. */
  readonly checks: readonly CheckResult<CheckpointCheck>[];
  readonly firstDefect?: Defect;
  readonly proven?: VerifiedCheckpoint;
}

export interface VerifyCheckpointOptions {
  readonly crypto: VerifierCrypto;
  readonly trust: Trust | undefined;
  /** The signed note. */
  readonly note: string;
  /** A signed note that the auditor kept, of the same log and not larger. */
  readonly older?: string;
  /** A consistency proof between the two; needed when their sizes differ. */
  readonly consistency?: string;
  /** Time of the auditor, for policies that look at it. */
  readonly nowMs?: number;
}

/** Checks a checkpoint, and that it goes on from an older one. Without a proof between two sizes the answer is "incomplete". */
export function verifyCheckpointText({ crypto, trust, note, older, consistency, nowMs }: VerifyCheckpointOptions): CheckpointReport {
  const list = new CheckList<CheckpointCheck>(CHECKPOINT_CHECKS.slice(0, older === undefined ? 2 : 4));
  const stop = (error: Defect, check: CheckpointCheck, evidence: Evidence = {}): CheckpointReport => {
    list.fail(check, error, evidence);
    return { verdict: verdictOf(list.results()), ok: false, checks: list.results(), firstDefect: shownDefect(error) };
  };

  const unfit = policyDefect(trust, nowMs);
  if (trust === undefined || unfit !== undefined) return stop(unfit ?? NO_POLICY, "signature");
  const checkpoint = verifyLogSignature(crypto, note, trust);
  if (!checkpoint.ok) return stop(checkpoint.error, "signature");
  const { origin, size } = checkpoint.value;
  list.pass("signature", `${origin} size ${size}, signed by a trusted key`, checkpointEvidence(checkpoint.value));
  const unwitnessed = witnessDefect(checkpoint.value, trust) ?? ageDefect(checkpoint.value, trust, nowMs);
  if (unwitnessed !== undefined) return stop(unwitnessed, "witnesses");
  list.pass("witnesses", ...witnessEvidence(checkpoint.value, asPolicy(trust)));
  if (older !== undefined) {
    const before = verifyLogSignature(crypto, older, trust);
    if (!before.ok) return stop(before.error, "olderSignature");
    list.pass(
      "olderSignature",
      `${before.value.origin} size ${before.value.size}, signed by a trusted key`,
      checkpointEvidence(before.value),
    );
    const evidence = { oldSize: before.value.size, oldRoot: toHex(before.value.root), size, root: toHex(checkpoint.value.root) };
    const defect = consistencyDefect(crypto, before.value, checkpoint.value, consistency);
    if (defect !== undefined) return stop(defect, "consistency", evidence);
    list.pass("consistency", `the log of size ${size} begins with the log of size ${before.value.size}`, evidence);
  }
  return { verdict: verdictOf(list.results()), ok: true, checks: list.results(), proven: checkpoint.value };
}

function consistencyDefect(
  crypto: VerifierCrypto,
  older: VerifiedCheckpoint,
  newer: VerifiedCheckpoint,
  consistency: string | undefined,
): Defect | undefined {
  if (older.origin !== newer.origin)
    return { name: "checkpointOrigin", detail: `the checkpoints are of two logs, ${older.origin} and ${newer.origin}` };
  if (older.size > newer.size)
    return { name: "truncated", detail: `the log had ${older.size} entries and now has ${newer.size}`, index: newer.size };
  if (older.size === newer.size)
    return equalBytes(older.root, newer.root)
      ? undefined
      : { name: "knownCheckpoint", detail: `two roots are signed for size ${newer.size}: two histories`, index: newer.size };
  if (consistency === undefined)
    return {
      name: "proofMissing",
      detail: `nothing leads from size ${older.size} to size ${newer.size}: a consistency proof or an export is needed`,
    };
  const path = parseConsistency(consistency);
  if (!path.ok) return path.error;
  const verified = verifyConsistency(treeHasher(crypto.sm3), older, newer, path.value);
  return verified.ok ? undefined : verified.error;
}
