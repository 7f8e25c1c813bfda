import * as v from "valibot";
import { openFingerprints } from "../../core/fingerprints.ts";
import { loadCrypto } from "../../core/crypto/index.ts";
import { type Erased, type ErasureGround, type ErasureOrder, erasureOrder, type ErasureScope } from "../../core/erasure/order.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { readDocument } from "../platform/document.ts";
import { openKeys } from "../platform/keys.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { perform } from "../platform/office.ts";

export interface EraseOptions {
  readonly order: string;
  readonly by: string;
  readonly approvedBy: string;
  readonly ground: ErasureGround;
  readonly scope: ErasureScope;
  readonly appUser?: string;
  readonly document?: string;
  readonly json?: boolean;
}

/** `ronghe erase`: destroys what is kept of a person, under an order. Status 3 when it was refused, or has to wait. */
export async function erase(config: Config, options: EraseOptions): Promise<number> {
  const { order, by, approvedBy, ground, scope } = options;
  checkNames(options);
  const person = await personOf(config, options);
  const reply = await perform(config, { do: "person.erase", order, by, approvedBy, ground, scope, person });
  if (!reply.ok) {
    console.error(`ronghe: ${reply.message} (${reply.code})`);
    return 3;
  }
  const erased = reply.value as Erased;
  if (options.json === true) {
    printJson(erased);
    return 0;
  }
  console.log(erased.repeated ? "此前已按该指令删除 this order was carried out before" : "已删除，证明仍然成立 erased; every proof stands");
  if (erased.logs.length === 0) {
    console.log("没有条目再指向此人的信息 no entry committed to a value of this person any more");
    return 0;
  }
  printTable(
    ["日志 log", "删除条目 erasure entries", "承诺 commitments"],
    erased.logs.map((log) => [log.origin, log.entries.map((index) => `#${index}`).join(" "), String(log.commitments)]),
  );
  return 0;
}

/** They enter the ledger, for ever: plain words, without room for a story about somebody. */
function checkNames({ order, by, approvedBy }: EraseOptions): void {
  const { entries } = erasureOrder;
  if (!v.is(entries.order, order))
    throw new UsageError("--order is 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or a digit");
  for (const [option, written] of [
    ["--by", by],
    ["--approved-by", approvedBy],
  ] as const)
    if (!v.is(entries.by, written))
      throw new UsageError(`${option} is 1 to 64 letters, digits, \`.\`, \`_\`, \`@\` or \`-\`, the first a letter or a digit`);
}

/** Only fingerprints go on from here: a document number stands in no argument list, on no wire and in no log. */
async function personOf(config: Config, { appUser, document }: EraseOptions): Promise<ErasureOrder["person"]> {
  if ((appUser === undefined) === (document === undefined)) throw new UsageError("give --app-user or --document, one of them");
  const layout = layoutOf(config.RONGHE_DATA);
  readPlatform(layout);
  const crypto = await loadCrypto();
  const { guessable } = await openFingerprints(crypto, await openKeys(config, layout, crypto, "core"));
  if (appUser !== undefined) {
    const [, appId, user] = /^([^/]+)\/(.+)$/.exec(appUser) ?? [];
    if (appId === undefined || user === undefined) throw new UsageError("--app-user is APPID/APPUSERID");
    return { by: "appUser", fingerprint: await guessable("app-user", appId, user) };
  }
  const { idType, idNo } = await readDocument(document ?? "");
  return { by: "document", fingerprint: await guessable("document", idType, idNo) };
}
