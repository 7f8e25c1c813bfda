import { loadCrypto } from "../../core/crypto/index.ts";
import { openDatabase } from "../../migrations/database.ts";
import { canonicalJson } from "../../streams/contracts/canonical.ts";
import { replay } from "../../streams/fraud/replay.ts";
import { FraudStore } from "../../streams/fraud/store.ts";
import { type Config, UsageError } from "../config.ts";
import { printErrorLine, printJson, printTable } from "../output.ts";
import { openBusForReading } from "../platform/bus.ts";
import { closePlatform, layoutOf } from "../platform/layout.ts";
import { figureText } from "../text/figures.ts";
import { isThere } from "../platform/files.ts";

/** `ronghe alerts`: every alert with its rule, the values that made it fire and what it rests on. */
export async function alerts(
  config: Config,
  options: { readonly json?: boolean; readonly replay?: boolean; readonly lang: "zh" | "en" },
): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const { streams } = layout;
  closePlatform(layout);
  if (!isThere(streams.database)) throw new UsageError(`no fraud rules have run on ${config.RONGHE_DATA} yet`);
  const db = await openDatabase({ kind: "streams", file: streams.database, readOnly: true });
  try {
    const store = new FraudStore(db);
    const raised = await store.alerts();
    if (options.replay === true) return await replayed(config, store, options.lang);
    if (options.json === true) {
      for (const alert of raised) printJson(alert);
      return 0;
    }
    const zh = options.lang === "zh";
    printTable(
      zh
        ? ["时间 (UTC+8)", "规则", "版本", "结论", "机构", "终端", "触发值", "依据"]
        : ["time (UTC+8)", "rule", "version", "grade", "institution", "terminal", "values", "rests on"],
      raised.map((data) => [
        new Date(data.atMs + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " "),
        zh ? data.ruleName : data.rule,
        data.ruleVersion,
        zh ? { clear: "明确", suspicious: "可疑" }[data.severity] : data.severity,
        data.institution,
        data.terminal ?? "",
        Object.entries(data.values).map(([name, value]) => figureText(name, value, options.lang)),
        evidence(data.evidence),
      ]),
    );
    console.log(zh ? `共 ${raised.length} 条` : `${raised.length} alerts`);
    return 0;
  } finally {
    await db.close();
  }
}

function evidence(
  items: readonly { readonly type: string; readonly log?: string | undefined; readonly index?: string | undefined }[],
): readonly string[] {
  const cited = items.map((item) => (item.log === undefined ? item.type : `${item.log.split("/").at(-1) ?? ""} #${item.index ?? ""}`));
  const different = [...new Set(cited)];
  return different.length > 6 ? [...different.slice(0, 6), "…"] : different;
}

/** Part of what was judged cannot be judged again: what was compared is the same, and a script must not take it for all. */
const IN_PART = 2;

/** Judges the journaled events once more; status 1 when a single byte differs, 2 when it could begin only behind what is lost. */
async function replayed(config: Config, store: FraudStore, lang: "zh" | "en"): Promise<number> {
  const bus = await openBusForReading(config);
  try {
    const again = await replay({ bus, journal: store, crypto: await loadCrypto() });
    const all = (await store.alerts()).length;
    const before = (await store.alerts(again.fromPosition)).map(canonicalJson);
    const now = again.alerts.map(canonicalJson);
    const same = now.length === before.length && now.every((text, at) => text === before[at]);
    printJson({
      identical: same,
      fromPosition: again.fromPosition,
      lost: again.lost,
      events: again.events,
      alerts: { before: before.length, again: now.length, notCompared: all - before.length },
      stateDigest: again.stateDigest,
    });
    if (again.fromPosition === 0) return same ? 0 : 1;
    printErrorLine(
      lang === "zh"
        ? `总线上已缺少判过的事件：自日志第 ${again.fromPosition} 位起重判，此前的 ${all - before.length} 条预警无法再核对`
        : `the bus no longer holds all that was judged: judged again from journal position ${again.fromPosition} on; ${all - before.length} alerts before it cannot be compared any more`,
    );
    return same ? IN_PART : 1;
  } finally {
    await bus.close();
  }
}
