/** Hospitals at their desks while things break: bills and refunds, each insisted on until its outcome is final. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import type { EdgeProcess } from "../harness/edges.ts";
import type { Desk, Province } from "../harness/province.ts";

export interface Asked {
  readonly institution: string;
  readonly outTradeNo: string;
  readonly amount: bigint;
  readonly original: string | undefined;
  acknowledged: boolean;
  final: SettlementReply | undefined;
}

const PATIENCE_MS = 150_000;
/** Says nothing of the request itself. */
const LATER: ReadonlySet<ErrorName> = new Set([
  "requestReplayed",
  "coreUnavailable",
  "rateLimited",
  "timestampOutside",
  "internal",
  "inProgress",
]);
const FINAL: ReadonlySet<SettlementReply["status"]> = new Set(["settled", "refused", "refunded"]);

export class Desks {
  readonly asked: Asked[] = [];
  readonly findings: string[] = [];
  readonly #province: Province;
  readonly #edge: EdgeProcess;
  readonly #prefix: string;
  #next = 0;

  constructor(province: Province, edge: EdgeProcess, prefix: string) {
    this.#province = province;
    this.#edge = edge;
    this.#prefix = prefix;
  }

  /** One lane: bill after bill until told to stop, and the one under way to its end. */
  async lane(lane: number, die: SeededRandom, stopped: () => boolean): Promise<void> {
    const desk = this.#province.desk(this.#edge, lane);
    while (!stopped()) {
      const no = `${this.#prefix}-${this.#next++}`;
      const code = await this.#code(die.int(0, 39));
      const fen = BigInt(die.int(1, 30_000));
      const bill = await this.#insist(desk, { no, fen }, (outTradeNo) =>
        desk.client.settle({ ...desk.scene, outTradeNo, code, amount: formatYuan(asFen(fen)), waitSeconds: "1" }),
      );
      if (bill?.status === "settled" && die.chance(0.3))
        await this.#insist(desk, { no: `${no}-R`, fen, original: no }, (outTradeNo) =>
          desk.client.refund({ ...desk.scene, outTradeNo, originalOutTradeNo: no, waitSeconds: "1" }),
        );
    }
  }

  async #code(person: number): Promise<string> {
    for (;;) {
      const code = await this.#province.code(person).catch(() => undefined);
      if (code !== undefined) return code;
      await sleep(100);
    }
  }

  async #insist(
    { orgId }: Desk,
    ask: { readonly no: string; readonly fen: bigint; readonly original?: string },
    send: (outTradeNo: string) => ReturnType<Desk["client"]["settle"]>,
  ): Promise<SettlementReply | undefined> {
    const asked: Asked = {
      institution: orgId,
      outTradeNo: ask.no,
      amount: ask.fen,
      original: ask.original,
      acknowledged: false,
      final: undefined,
    };
    this.asked.push(asked);
    const until = performance.now() + PATIENCE_MS;
    let last = "nothing";
    while (performance.now() < until) {
      const reply = await send(ask.no);
      if (reply.ok) {
        asked.acknowledged = true;
        last = reply.value.status;
        if (FINAL.has(reply.value.status)) return (asked.final = reply.value);
      } else {
        last = reply.error.error ?? reply.error.code;
        // Turned away for what it is, and never taken: over. Taken before, it is asked for again.
        if (reply.error.answered && !asked.acknowledged && reply.error.error !== undefined && !LATER.has(reply.error.error))
          return undefined;
      }
      await sleep(50);
    }
    this.findings.push(`${ask.no} had no final answer within ${PATIENCE_MS} ms; last: ${last}`);
    return undefined;
  }
}
