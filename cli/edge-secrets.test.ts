import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadCrypto } from "../core/crypto/index.ts";
import { openCarriedKeyStore } from "../core/crypto/keystore-carried.ts";
import { fromBase64, fromHex } from "../core/protocol/bytes.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY, edgeSecretAad } from "../edge/identity.ts";
import { edgeIdentity } from "../edge/workerd/environment.ts";
import { ronghe } from "../test/harness/process.ts";
import * as v from "valibot";

test("each edge of a sandbox has a folder to carry away, and secrets that make a Worker that edge", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-edges-"));
  try {
    const made = await ronghe(["sandbox", "init", "--edges", "2", "--people", "20", "--data", folder]);
    expect(made.code, made.stderr).toBe(0);
    const own = join(folder, "edges", "edge-2");
    const printed = await ronghe(["edge-secrets", "--data", own]);
    expect(printed.code, printed.stderr).toBe(0);
    const secrets = JSON.parse(printed.stdout) as { RONGHE_EDGE_IDENTITY: string; RONGHE_EDGE_KEK: string };
    const identity = v.parse(edgeIdentity, JSON.parse(secrets.RONGHE_EDGE_IDENTITY));
    expect(identity.edgeId).toBe("edge-2");

    const crypto = await loadCrypto();
    const kek = fromHex(secrets.RONGHE_EDGE_KEK) ?? new Uint8Array();
    const keys = await openCarriedKeyStore({ text: identity.keys, kek, crypto });
    expect(await keys.open(EDGE_DATA_KEY, fromBase64(identity.coreSecret) ?? new Uint8Array(), edgeSecretAad("edge-2"))).toHaveLength(32);
    expect(await keys.open(EDGE_DATA_KEY, fromBase64(identity.coreSecret) ?? new Uint8Array(), edgeSecretAad("edge-1"))).toBeUndefined();
    // Hospitals believe the replies of every edge.
    const client = JSON.parse(await readFile(join(folder, "clients", "institution-H51010400001.json"), "utf8")) as {
      platformKeys: string[];
    };
    expect(client.platformKeys).toContain(Buffer.from(await keys.publicKey(EDGE_REPLY_KEY)).toString("hex"));
    expect(client.platformKeys).toHaveLength(2);

    const missing = await ronghe(["edge-secrets", "--data", join(folder, "nowhere")]);
    expect([missing.code, missing.stderr.trim().split("\n").length]).toEqual([2, 1]);
    const elsewhere = await ronghe(["serve", "core", "--runtime", "workerd", "--data", folder]);
    expect([elsewhere.code, elsewhere.stderr]).toEqual([2, expect.stringContaining("only the edge runs on workerd")]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
