import { loadCrypto } from "../../core/crypto/index.ts";
import { type Config, describeConfig, SETTING_NAMES } from "../config.ts";
import { describePayers } from "../platform/payers.ts";
import { printJson, printTable } from "../output.ts";

/** `ronghe config`: every setting with its value in force (secrets hidden), and the cryptography chosen at start. */
export async function printConfig(config: Config, options: { readonly json?: boolean }): Promise<void> {
  const settings = describeConfig(config);
  const { implementations } = await loadCrypto();
  const all = Object.fromEntries(SETTING_NAMES.map((name) => [name, settings[name] ?? "(not set)"]));
  if (options.json === true) {
    printJson({ settings: all, payers: describePayers(config), crypto: implementations, node: process.version });
    return;
  }
  printTable(["setting", "value"], Object.entries(all));
  printTable(["payers", "whose money moves"], [["in use", describePayers(config)]]);
  printTable(["cryptography", `in use on Node ${process.version}`], Object.entries(implementations));
}
