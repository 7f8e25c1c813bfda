/** What a patient's app and a cashier do in a day, by the SDKs alone. Runs in Node and, bundled, in a page: web standards only. */
import type * as Channel from "../../edge/sdk/channel.ts";
import type * as TerminalSdk from "../../edge/sdk/terminal.ts";
import type { PartnerProfile } from "../../core/protocol/envelope.ts";
import type { EventMs } from "../../core/protocol/time.ts";

type PlainProfile = Omit<PartnerProfile, "publicKeys"> & { readonly publicKeys: readonly string[] };
export interface SdkScene {
  readonly coreUrl: string;
  readonly edgeUrl: string;
  readonly app: { readonly orgId: string; readonly profile: PlainProfile; readonly appUserId: string };
  readonly hospital: { readonly orgId: string; readonly profile: PlainProfile; readonly termId: string };
  /** Keeps the numbers of two walks apart. */
  readonly run: string;
}
export interface Surroundings {
  readonly sign: (orgId: string, message: Uint8Array) => Promise<Uint8Array>;
  readonly now: () => number;
  readonly queue: TerminalSdk.QueueStore;
  readonly show?: (text: string, svg: string) => void;
}

export async function walkThrough(
  sdk: { readonly channel: typeof Channel; readonly terminal: typeof TerminalSdk },
  scene: SdkScene,
  around: Surroundings,
): Promise<object> {
  const crypto = await sdk.channel.loadSdkCrypto();
  const clock = { now: () => around.now() as EventMs };
  const common = { crypto, clock, fetch: (request: Request) => fetch(request) };
  const channel = sdk.channel.createChannelClient({
    ...common,
    url: scene.coreUrl,
    orgId: scene.app.orgId,
    profile: profileOf(scene.app.profile),
    sign: (message) => around.sign(scene.app.orgId, message),
  });
  const terminal = await sdk.terminal.openTerminal({
    ...common,
    url: scene.edgeUrl,
    orgId: scene.hospital.orgId,
    profile: profileOf(scene.hospital.profile),
    sign: (message) => around.sign(scene.hospital.orgId, message),
    queue: around.queue,
    scene: {
      businessType: "01301",
      termId: scene.hospital.termId,
      termIp: "10.0.0.9",
      operatorId: "7",
      operatorName: "甲",
      officeId: "1",
      officeName: "收费处",
    },
  });
  const number = (what: string): string => `SDK-${scene.run}-${what}`;

  // A person who is new to the platform.
  const newcomer = { appUserId: `new-${scene.run}`, idType: "01", idNo: idNumber(scene.run), userName: "测试" };
  const registered = expectOk(await channel.register(newcomer));
  const again = expectOk(await channel.register(newcomer));
  const other = await channel.register({ ...newcomer, idNo: idNumber(`${scene.run}-other`) });
  const bound = expectOk(await channel.bind({ appUserId: newcomer.appUserId, kind: "bank", accountId: `B-${scene.run}` }));
  expectOk(await channel.unbind(newcomer.appUserId, bound.bindingId));
  const accounts = expectOk(await channel.accounts(newcomer.appUserId));

  // One who has accounts shows a code.
  const shown: string[] = [];
  const display = new sdk.channel.CodeDisplay({
    client: channel,
    clock,
    appUserId: scene.app.appUserId,
    onChange: (state) => void shown.push(state.kind),
  });
  display.start();
  await until(() => shown.at(-1) === "shown");
  await display.stop();
  const code = expectOk(await channel.code({ appUserId: scene.app.appUserId }));
  around.show?.(code.text, sdk.channel.qrSvg(code.text, "付款码"));

  // The cashier.
  const kind = expectOk(terminal.scan(code.text)).kind;
  const verified = expectOk(await terminal.verify({ outTradeNo: number("V"), code: code.text }));
  if (verified.grade === "offline") throw new Error("the core is away");
  const settled = await terminal.settle({ outTradeNo: number("S"), ecToken: verified.ecToken ?? "", amount: "23.45" });
  const lookedUp = expectOk(await terminal.result(number("S")));
  const second = await terminal.verify({ outTradeNo: number("V2"), code: code.text });
  const refunded = await terminal.refund({ outTradeNo: number("R"), originalOutTradeNo: number("S") });

  // A code that was taken back is worth nothing.
  const taken = expectOk(await channel.code({ appUserId: scene.app.appUserId, form: "opaque" }));
  expectOk(await channel.revoke(taken.text));
  const refusedCode = await terminal.verify({ outTradeNo: number("V3"), code: taken.text });
  const waiting = await terminal.waiting();
  await terminal.stop();
  return {
    registered: { userName: registered.userName, again: again.idNo === registered.idNo ? "same" : "another" },
    otherPerson: other.ok ? "ok" : other.error.error,
    bound: bound.state,
    accountsAfterUnbind: accounts.length,
    shown,
    scanned: kind,
    masked: verified.userName?.includes("*"),
    settled: finalOf(settled, ["status", "amount"]),
    lookedUp: lookedUp.status,
    secondUse: second.ok ? "ok" : second.error.error,
    refunded: finalOf(refunded, ["status"]),
    revoked: refusedCode.ok ? "ok" : refusedCode.error.error,
    waiting: waiting.length,
  };
}

function finalOf(outcome: TerminalSdk.TerminalOutcome, fields: readonly ("status" | "amount")[]): object {
  if (outcome.kind !== "final") return outcome;
  return { kind: outcome.kind, ...Object.fromEntries(fields.map((field) => [field, outcome.reply[field]])) };
}

function profileOf(profile: PlainProfile): PartnerProfile {
  return { ...profile, publicKeys: profile.publicKeys.map(bytesOf) };
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function expectOk<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A citizen's number with its check digit (GB 11643), different for each name. */
function idNumber(name: string): string {
  let serial = 0;
  for (const character of name) serial = (serial * 31 + character.charCodeAt(0)) % 999;
  const body = `51010419900101${String(serial + 1).padStart(3, "0")}`;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, at) => total + weight * Number(body[at]), 0);
  return body + "10X98765432".charAt(sum % 11);
}
