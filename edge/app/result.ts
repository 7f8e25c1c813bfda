/** `rh.result`: what became of a number, from the edge's own projection. */
import type { ResultRequest, SettlementReply } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { outcomeOf, waitMsOf } from "./submit.ts";

/** Only the caller's own numbers: the institution is the one that signed. */
export async function result(ports: AppPorts, call: AdmittedCall, request: ResultRequest): Promise<Result<SettlementReply, Refusal>> {
  const institution = call.institution.settings.orgId;
  const { outTradeNo } = request;
  const taken = await ports.state.taken(institution, outTradeNo);
  if (taken === undefined) {
    // Another edge of the same institution may have taken it.
    const standing = await ports.results.find(institution, outTradeNo);
    return standing === undefined ? refuse("settlementUnknown") : ok(standing);
  }
  const { requestHash } = taken;
  const id = settlementId(ports.crypto, institution, outTradeNo);
  const awaited = { institution, outTradeNo, requestHash, settlementId: id, waitMs: waitMsOf(request.waitSeconds) };
  const own = await outcomeOf(ports, awaited);
  if (own.ok) return own;
  // What this edge took was other content than the core had taken before: what stands under the number is the answer.
  return ok((await ports.results.find(institution, outTradeNo)) ?? { outTradeNo, settlementId: id, status: "accepted" });
}
