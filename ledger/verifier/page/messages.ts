/** What the page and its worker say to each other. */
import type { CheckpointReport } from "../checkpoint.ts";
import type { ExportReport } from "../export.ts";
import type { WrittenQuestion } from "../question.ts";
import type { RangeReport } from "../range.ts";
import type { ReceiptReport } from "../receipt.ts";

/** Where a file stands in a folder that was dropped. */
export interface PlacedFile {
  readonly path: string;
  readonly file: File;
}

export type Task =
  | { readonly kind: "receipt" | "range"; readonly name: string; readonly bytes: Uint8Array }
  | {
      readonly kind: "checkpoint";
      readonly name: string;
      readonly bytes: Uint8Array;
      readonly older?: { readonly name: string; readonly bytes: Uint8Array };
      readonly consistency?: { readonly name: string; readonly bytes: Uint8Array };
    }
  | { readonly kind: "export"; readonly name: string; readonly files: readonly PlacedFile[]; readonly known: readonly Uint8Array[] };

export type ToWorker =
  | { readonly type: "start"; readonly wasm: string; readonly page: string }
  | { readonly type: "policy"; readonly id: number; readonly bytes: Uint8Array }
  | {
      readonly type: "verify";
      readonly id: number;
      readonly tasks: readonly Task[];
      readonly policy: Uint8Array | undefined;
      /** What the auditor asked the operator for, when there is a range among the tasks. */
      readonly question: WrittenQuestion;
    }
  | { readonly type: "cancel"; readonly id: number };

/** A file as the report names it. */
export interface FileHash {
  readonly name: string;
  readonly bytes: number;
  /** Hex. */
  readonly sm3: string;
}

/** Entries of one kind in one log. */
export interface KindCount {
  readonly kind: string;
  readonly accepted: number;
  readonly refused: number;
}

export type Outcome = { readonly name: string; readonly hashes: readonly FileHash[] } & (
  | { readonly kind: "receipt"; readonly report: ReceiptReport }
  | { readonly kind: "range"; readonly report: RangeReport }
  | { readonly kind: "checkpoint"; readonly report: CheckpointReport; readonly older?: string }
  | { readonly kind: "export"; readonly report: ExportReport; readonly kinds: ReadonlyMap<string, readonly KindCount[]> }
);

/** A key of the policy, for people. */
export interface PolicyLine {
  readonly role: "log" | "witness";
  readonly name: string;
  /** Hex. */
  readonly id: string;
  /** Logs it may speak for; empty for all. */
  readonly origins: readonly string[];
  /** `first..last` sizes, when they are limited. */
  readonly sizes?: string;
}

export interface PolicySummary {
  readonly sm3: string;
  /** Empty when the text is no policy: `trouble` says why. */
  readonly lines: readonly PolicyLine[];
  readonly quorum: string;
  readonly trouble?: string;
}

export type FromWorker =
  | { readonly type: "ready"; readonly pageSm3: string }
  /** The cryptography of this browser does not give the known answers. */
  | { readonly type: "unfit"; readonly why: string }
  | { readonly type: "policy"; readonly id: number; readonly summary: PolicySummary }
  | { readonly type: "progress"; readonly id: number; readonly done: number; readonly total: number }
  | { readonly type: "done"; readonly id: number; readonly outcomes: readonly Outcome[] };
