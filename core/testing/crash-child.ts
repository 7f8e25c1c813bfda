/** Resolves codes as fast as it can and tells each granted answer, until somebody kills it. */
import { HOSPITAL, openProvince, TERMINAL, valueOf } from "./province.ts";

const province = await openProvince();
const say = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ folder: province.folder });

async function visits(worker: number): Promise<void> {
  for (let n = 0; ; n++) {
    const code = await province.issue({ form: "opaque" });
    const transactionId = `${HOSPITAL}/w${worker}-${n}`;
    const credential = { kind: "code", value: code } as const;
    const scene = { institution: HOSPITAL, terminal: TERMINAL, businessType: "01101" };
    const resolved = valueOf(await province.core.vault.resolve({ ...scene, transactionId, credential, atMs: province.clock.now() }));
    say({ transactionId, code, ecToken: resolved.ecToken, index: String(resolved.position.index) });
  }
}
await Promise.all([0, 1, 2, 3].map(visits));
