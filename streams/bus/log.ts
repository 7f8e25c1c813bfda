/**
 * Where the bus says what an operator should know. Fields hold names, numbers and error classes: never a key, a value,
 * a header or the text of an error that may quote one.
 */
export type BusLog = (level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, string | number>>) => void;

export const silentLog: BusLog = () => undefined;

/** The class of an error, and its machine-readable code when it has one; safe for logs and headers. */
export function errorClass(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = "code" in error ? error.code : "type" in error ? error.type : undefined;
  return typeof code === "string" && /^[A-Za-z0-9_.]{1,64}$/.test(code) ? `${error.name}.${code}` : error.name;
}
