import QRCode from "qrcode";
import { loadCrypto } from "../../core/crypto/index.ts";
import { parseScannedCode } from "../../core/protocol/fused-code.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printPicture } from "../output.ts";
import { createAppClient, readClients } from "../platform/clients.ts";
import { layoutOf, readPlatform, readRuntime } from "../platform/layout.ts";
import { checkCode } from "../platform/check-code.ts";
import { writeOut } from "../platform/files.ts";

export interface CodeIssueOptions {
  readonly png?: string;
  readonly person?: string;
  readonly purpose: "settle" | "verify";
  readonly form: "signed" | "opaque";
  readonly json?: boolean;
}

/** Medium error correction and a quiet zone of four modules: what a scanner reads from a phone at arm's length. */
const QR_STYLE = { errorCorrectionLevel: "M", margin: 4, scale: 6 } as const;

/** `ronghe code issue`: asks the running platform for a code as a patient's app does; prints it, and draws it. */
export async function codeIssue(config: Config, options: CodeIssueOptions): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  const { coreUrl } = await readRuntime(layout);
  if (coreUrl === undefined) throw new UsageError("the running platform has no core here");
  const apps = await readClients(layout, "app");
  const profile =
    options.person === undefined ? apps.find((app) => app.users.length > 0) : apps.find((app) => app.users.includes(options.person ?? ""));
  const person = options.person ?? profile?.users.toSorted()[0];
  if (profile === undefined || person === undefined)
    throw new UsageError(`nobody called ${options.person ?? "(anyone)"} has bound an app; the people of the sandbox are u00001, u00002, …`);
  const app = createAppClient({ url: coreUrl, profile, crypto: await loadCrypto(), clock: systemClock });
  const issued = await app.issueCode(person, options.purpose, options.form);
  if (!issued.ok) throw new UsageError(`no code was issued: ${issued.error}`);
  if (options.png !== undefined) await writeOut(options.png, await QRCode.toBuffer(issued.value.code, QR_STYLE));
  if (options.json === true) printJson({ ...issued.value, person, app: profile.orgId });
  else console.log(issued.value.code);
}

export async function codeShow(code: string): Promise<void> {
  printPicture(await QRCode.toString(code, { type: "terminal", small: true, errorCorrectionLevel: "M" }));
}

/** `ronghe code decode`: what a code says and whether it is genuine, by public material alone. Status 1 when it is not. */
export async function codeDecode(config: Config, code: string): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const parsed = parseScannedCode(code, { appIdWidth: platform.appIdWidth });
  if (!parsed.ok) {
    printJson({ readable: false, error: parsed.error });
    return 1;
  }
  const verdict = await checkCode(layout, parsed.value, systemClock.now());
  printJson({ readable: true, ...verdict.shown });
  return verdict.genuine ? 0 : 1;
}
