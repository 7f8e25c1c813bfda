/**
 * Whose money moves. Real payers stand at addresses of the settings; the sandbox's are used when this process starts them, or
 * when the settings say so. Never both, and never because a file was left over.
 */
import { type Config, UsageError } from "../config.ts";
import type { RailUrls } from "./core.ts";
import { type Layout, knownRuntime } from "./layout.ts";

const ADDRESSES = {
  insurance: "RONGHE_RAIL_INSURANCE_URL",
  commercial: "RONGHE_RAIL_COMMERCIAL_URL",
  bank: "RONGHE_RAIL_BANK_URL",
} as const;

/** `undefined`: the settings say nothing, so only a sandbox of this very process will do. */
export type ChosenPayers = { readonly kind: "real"; readonly urls: RailUrls } | { readonly kind: "sandbox" } | undefined;

/** Throws {@link UsageError} for a mixture, naming what is set and what is missing. */
export function chosenPayers(config: Config): ChosenPayers {
  const names = Object.values(ADDRESSES);
  const set = names.filter((name) => config[name] !== undefined);
  const said = config.RONGHE_PAYERS;
  if (set.length === 0) {
    if (said === "real") throw new UsageError(`RONGHE_PAYERS=real needs ${names.join(", ")}`);
    return said === "sandbox" ? { kind: "sandbox" } : undefined;
  }
  if (said === "sandbox")
    throw new UsageError(`RONGHE_PAYERS=sandbox and ${set.join(", ")}: either invented payers or real ones, never some of each`);
  const { insurance, commercial, bank } = {
    insurance: config[ADDRESSES.insurance],
    commercial: config[ADDRESSES.commercial],
    bank: config[ADDRESSES.bank],
  };
  if (insurance === undefined || commercial === undefined || bank === undefined) {
    const missing = names.filter((name) => config[name] === undefined);
    throw new UsageError(`${set.join(", ")} without ${missing.join(", ")}: all three payers are real, or none`);
  }
  return { kind: "real", urls: { insurance, commercial, bank } };
}

/** The sandbox that another process runs on this folder, where the settings say that it is to be used. */
export async function sandboxPayers(layout: Layout): Promise<RailUrls | undefined> {
  return (await knownRuntime(layout))?.rails;
}

/** For a core that no sandbox was started beside. */
export async function payersOfCore(config: Config, layout: Layout): Promise<RailUrls> {
  const chosen = chosenPayers(config);
  if (chosen?.kind === "real") return chosen.urls;
  if (chosen === undefined)
    throw new UsageError(
      `a core by itself is told its payers: ${Object.values(ADDRESSES).join(", ")}, or RONGHE_PAYERS=sandbox for those of \`serve sandbox\``,
    );
  const found = await sandboxPayers(layout);
  if (found === undefined) throw new UsageError("RONGHE_PAYERS=sandbox, and no sandbox runs on this folder: serve sandbox first");
  return found;
}

/** For people: whose money would move. */
export function describePayers(config: Config): string {
  const chosen = chosenPayers(config);
  if (chosen?.kind === "real") return `real: ${Object.values(chosen.urls).join(", ")}`;
  return chosen === undefined
    ? "sandbox, started by `serve all` and `demo` only"
    : "sandbox, also one that another process runs on this folder";
}
