/** What `ronghe witness policy` says of a policy, before anybody relies on it. */
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ORIGIN, testSigner } from "../../ledger/testing/platform.ts";
import { testWitness } from "../../ledger/testing/witnesses.ts";
import type { Policy } from "../../ledger/verifier/note.ts";
import { printPolicy } from "../../ledger/verifier/policy.ts";
import { witnessPolicy } from "./witness.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-witness-policy-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const witnesses = ["a", "b", "c", "d"].map((name, at) => testWitness(name, 0x61 + at));
const policyOf = (threshold: number, of: number): Policy => {
  const members = witnesses.slice(0, of).map(({ name }) => name);
  return {
    logs: [{ ...testSigner().trusted, origins: [ORIGIN] }],
    witnesses: witnesses.slice(0, of).map(({ name, key }) => ({ name, key })),
    groups: [{ name: "enough", threshold, members }],
    quorum: "enough",
  };
};

async function said(policy: Policy): Promise<{ readonly dishonestEnough: number; readonly warnings: readonly string[] }> {
  const file = join(folder, "policy.txt");
  await writeFile(file, printPolicy(policy));
  const lines: string[] = [];
  const log = vi.spyOn(process.stdout, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  await witnessPolicy(file, { json: true }).finally(() => log.mockRestore());
  return JSON.parse(lines[0] ?? "") as Awaited<ReturnType<typeof said>>;
}

test("a quorum that no or one dishonest witness defeats is warned of, a sound one is not", async () => {
  for (const [threshold, of, dishonest, warning] of [
    [1, 3, 0, "nobody need be dishonest"],
    [2, 4, 0, "nobody need be dishonest"],
    [2, 3, 1, "one dishonest witness is enough"],
    [1, 1, 1, "one dishonest witness is enough"],
    [2, 2, 2, undefined],
    [3, 3, 3, undefined],
    [3, 4, 2, undefined],
  ] as const) {
    const { dishonestEnough, warnings } = await said(policyOf(threshold, of));
    const expected = warning === undefined ? [] : [expect.stringContaining(warning)];
    expect([dishonestEnough, warnings], `${threshold} of ${of}`).toEqual([dishonest, expected]);
  }
});

test("a policy that is a link is refused, and told why", async () => {
  const link = join(folder, "link");
  await writeFile(join(folder, "policy.txt"), printPolicy(policyOf(2, 3)));
  await symlink(join(folder, "policy.txt"), link);
  await expect(witnessPolicy(link, {})).rejects.toThrow("is a link: whoever may turn it decides");
});
