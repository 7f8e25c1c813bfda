/** What commands have in common: settings, options, the forms of numbers. */
import { InvalidArgumentError, Option } from "commander";
import { type Config, readConfig } from "../config.ts";

export const dataOption = (): Option => new Option("--data <dir>", "data folder of the platform (default: RONGHE_DATA, else ronghe-data)");

export const langOption = (): Option => new Option("--lang <lang>", "language of the table").choices(["zh", "en"]).default("zh");

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`wanted a whole number from ${min} to ${max}`);
    return value;
  };
}

/** The environment, with what the command line says on top. */
export function configured(options: { readonly data?: string; readonly bus?: string }): Config {
  return readConfig({
    ...process.env,
    ...(options.data === undefined ? {} : { RONGHE_DATA: options.data }),
    ...(options.bus === undefined ? {} : { RONGHE_BUS: options.bus }),
  });
}

/** Entries of the ledger name who did it. */
export const byOption = (): Option => new Option("--by <person>", "who does it: recorded in the ledger").makeOptionMandatory();
