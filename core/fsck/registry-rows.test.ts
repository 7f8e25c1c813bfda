import { expect, test } from "vitest";
import { Findings } from "../../ledger/fsck/findings.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import { openProvince } from "../testing/province.ts";
import { RegistryDerivation } from "./registry-rows.ts";

/** As an earlier version wrote it. */
const OLD = {
  kind: "access.institution.registered",
  outcome: "accepted",
  institution: "H7",
  subject: "H7",
  postedMs: 1_000n,
  facts: [
    { name: "kind", value: "hospital" },
    { name: "name", value: "第七医院" },
    { name: "publicKeys", value: "" },
    { name: "terminals", value: "T1" },
  ],
} as unknown as Leaf;

test("an entry that does not say a partner's settings is no finding, and is counted as proving none of them", async () => {
  const province = await openProvince();
  try {
    const findings = new Findings();
    const derivation = new RegistryDerivation(province.crypto);
    derivation.take(OLD);
    await derivation.compare(province.core.registry.db, findings);
    expect(findings.unprovenKept).toEqual([
      expect.stringMatching(/^institution H7: .*sign_type.*offline_age_max_ms.*places of its terminals$/),
    ]);
    // What it does say is compared: there is no such row here.
    expect(findings.kept.map(({ detail }) => detail)).toEqual(
      expect.arrayContaining(["institution H7 is missing", "terminal H7/T1 is missing"]),
    );
  } finally {
    await province.close();
  }
});
