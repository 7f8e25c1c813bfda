/** Carries the plan of a demo out, as patients' apps and hospitals' systems do: over HTTP, signed, verified. */
import type { Crypto } from "../../core/crypto/port.ts";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { createHisClient, type HisClient } from "../../edge/client.ts";
import type { SandboxInstitution, SandboxPerson } from "../sandbox/province.ts";
import { type AppClient, type ClientProfile, createAppClient, partnerOf, signerOf } from "../platform/clients.ts";
import type { PlannedClock } from "../platform/clock.ts";
import type { Act } from "./day.ts";

export interface Driver {
  /** Carries out all acts of one instant. */
  perform(acts: readonly Act[]): Promise<void>;
  /** Calls that got no verified answer; the same number may be repeated. */
  readonly unanswered: number;
}

export interface DriverOptions {
  readonly crypto: Crypto;
  readonly clock: PlannedClock;
  readonly edgeUrl: string;
  readonly coreUrl: string;
  readonly institutions: readonly ClientProfile[];
  readonly apps: readonly ClientProfile[];
  /** Distinguishes this run's transaction numbers from others on the same bus. */
  readonly runId: string;
  /** From now on the sandbox bank takes money and answers nothing. */
  readonly bankFallsSilent: () => Promise<void>;
  /** Told about each code that is issued, for drawing. */
  readonly onCode?: (code: string) => void;
  /** Told about each ecToken that a hospital is given for a code. */
  readonly onToken?: (ecToken: string) => void;
}

const WAIT_SECONDS = "20";
/** How long after its end a late code is shown: past its life and the allowed skew. */
const LATE_MS = 120_000;

export function createDriver(options: DriverOptions): Driver {
  const { crypto, clock } = options;
  const apps = new Map<string, AppClient>(
    options.apps.map((profile) => [profile.orgId, createAppClient({ url: options.coreUrl, profile, crypto, clock })]),
  );
  const systems = new Map<string, HisClient>(
    options.institutions.map((profile) => [
      profile.orgId,
      createHisClient({
        url: options.edgeUrl,
        orgId: profile.orgId,
        profile: partnerOf(profile),
        sign: signerOf(crypto, profile),
        crypto,
        clock: clock as Clock,
        fetch: (request) => fetch(request),
      }),
    ]),
  );
  let unanswered = 0;

  const his = (institution: SandboxInstitution): HisClient => {
    const client = systems.get(institution.orgId);
    if (client === undefined) throw new Error(`no keys for ${institution.orgId}`);
    return client;
  };
  const numbered = (outTradeNo: string): string => `${options.runId}-${outTradeNo}`;
  const note = (result: { readonly ok: boolean; readonly error?: { readonly answered: boolean } }): void => {
    if (!result.ok && result.error?.answered === false) unanswered++;
  };

  const noteVerified = (verified: Awaited<ReturnType<HisClient["verify"]>>): void => {
    note(verified);
    if (verified.ok && verified.value.ecToken !== undefined) options.onToken?.(verified.value.ecToken);
  };

  async function codeOf(person: SandboxPerson): Promise<string> {
    const issued = await apps.get(person.appId)?.issueCode(person.appUserId, "settle", "signed");
    if (issued === undefined || !issued.ok) throw new Error(`no code for ${person.appUserId}: ${issued?.error ?? "no such app"}`);
    options.onCode?.(issued.value.code);
    return issued.value.code;
  }

  async function done(act: Act): Promise<boolean> {
    // A run that was stopped goes on where it was: what already has an outcome is left alone.
    const known = await his(act.institution).result({ outTradeNo: numbered(act.outTradeNo) });
    return known.ok;
  }

  async function perform(act: Act): Promise<void> {
    const client = his(act.institution);
    const scene = sceneOf(act.institution, act.termId);
    switch (act.kind) {
      case "visit": {
        if (await done(act)) return;
        const code = await codeOf(act.person);
        if (act.identifyFirst) noteVerified(await client.verify({ ...scene, outTradeNo: numbered(`${act.outTradeNo}-V`), code }));
        note(
          await client.settle({
            ...scene,
            outTradeNo: numbered(act.outTradeNo),
            code,
            amount: formatYuan(asFen(act.amountFen)),
            waitSeconds: WAIT_SECONDS,
          }),
        );
        return;
      }
      case "refund":
        if (await done(act)) return;
        note(
          await client.refund({
            ...scene,
            outTradeNo: numbered(act.outTradeNo),
            originalOutTradeNo: numbered(act.original),
            ...(act.amountFen === undefined ? {} : { refundAmount: formatYuan(asFen(act.amountFen)) }),
            waitSeconds: WAIT_SECONDS,
          }),
        );
        return;
      case "unanswered":
        if (await done(act)) return;
        // The money moves, and nobody can say so: neither the call nor the question behind it is answered.
        await options.bankFallsSilent();
        note(
          await client.settle({
            ...scene,
            outTradeNo: numbered(act.outTradeNo),
            code: await codeOf(act.person),
            amount: formatYuan(asFen(act.amountFen)),
            waitSeconds: "0",
          }),
        );
        return;
      case "shown-twice": {
        const code = await codeOf(act.person);
        noteVerified(await client.verify({ ...scene, outTradeNo: numbered(act.outTradeNo), code }));
        note(
          await his(act.secondInstitution).verify({
            ...sceneOf(act.secondInstitution, act.secondTerminal),
            outTradeNo: numbered(act.outTradeNo),
            code,
          }),
        );
        return;
      }
      case "bad-scan": {
        const code = act.defect === "garbage" ? `HELLO-${act.outTradeNo}-${"0".repeat(40)}` : await codeOf(act.person);
        if (act.defect === "expired") clock.moveTo(clock.now() + LATE_MS);
        note(
          await client.verify({
            ...scene,
            outTradeNo: numbered(act.outTradeNo),
            code: act.defect === "forged" ? oneCharacterChanged(code) : code,
          }),
        );
        return;
      }
    }
  }

  return {
    perform: async (acts) => void (await Promise.all(acts.map(perform))),
    get unanswered() {
      return unanswered;
    },
  };
}

function sceneOf(institution: SandboxInstitution, termId: string) {
  return {
    businessType: institution.kind === "hospital" ? ("01301" as const) : ("02121" as const),
    termId,
    termIp: "10.8.0.7",
    operatorId: `${institution.orgId.slice(-3)}01`,
    operatorName: "收费员",
    officeId: "A01",
    officeName: "收费处",
  };
}

/** The last character of the signature, changed to another one. */
function oneCharacterChanged(code: string): string {
  return code.slice(0, -1) + (code.endsWith("1") ? "2" : "1");
}
