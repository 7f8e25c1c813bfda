/** The Durable Objects of an edge as its Worker sees them: what can be asked of each. */
import type { EdgeBundle } from "../../core/protocol/internal.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import type { FailingStorage } from "../../core/protocol/server/storage-watch.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type {
  Admission,
  AdmitCall,
  Change,
  CodeMarks,
  CommitVerdict,
  GuardCall,
  BillsTaken,
  SettingsState,
  TakenRequest,
} from "../ports.ts";
import type { Namespace } from "./storage.ts";

export interface Backlog {
  readonly depth: number;
  readonly oldestAgeMs: number;
  readonly bus: "there" | "away";
}
export interface ShardStatus {
  readonly backlog: Backlog;
  readonly resultsRunning: boolean;
  readonly storage: readonly FailingStorage[];
}

/** State, outbox and results of some institutions (`shard.ts`). */
export interface ShardObject {
  admit(call: AdmitCall): { readonly admission: Admission; readonly backlog: Backlog };
  guard(call: GuardCall): number;
  billsSince(sinceMs: number): readonly BillsTaken[];
  markOf(fingerprint: string, nowMs: EventMs): CodeMarks | undefined;
  taken(orgId: string, outTradeNo: string): TakenRequest | undefined;
  commit(change: Change): Promise<CommitVerdict>;
  find(orgId: string, outTradeNo: string, requestHash?: string): SettlementReply | undefined;
  waitFor(settlementId: string, requestHash: string, waitMs: number): Promise<SettlementReply | undefined>;
  /** @param suspect that its storage was seen to fail: it is tried by more than a page. */
  status(suspect?: boolean): Promise<ShardStatus>;
}

export interface SettingsAnswer {
  readonly state?: SettingsState;
  /** Absent when the asker has it, `null` when there is none that holds. */
  readonly bundle?: EdgeBundle | null;
}

/** The edge's settings, one object for all (`settings-object.ts`). */
export interface SettingsObject {
  /** The bundle in force, unless it is the one of `version`. */
  current(version: number | undefined): SettingsAnswer;
}

export const SETTINGS_NAME = "settings";

export interface WorkerEnv extends Readonly<Record<string, unknown>> {
  readonly SHARD: Namespace<ShardObject>;
  readonly SETTINGS: Namespace<SettingsObject>;
}
