import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyDatabase } from "../ledger/verify-files.ts";
import { verifierKey } from "../ledger/verifier/note.ts";
import { openDatabase } from "../migrations/database.ts";
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { openRegistry, type Registry } from "./registry.ts";
import {
  ACCOUNTS,
  APP_USER,
  HOSPITAL,
  openFolder,
  openProvince,
  PARTNER,
  PERSON,
  type Province,
  TERMINAL,
  valueOf,
} from "./testing/province.ts";

let province: Province;

beforeEach(async () => {
  province = await openProvince();
});
afterEach(async () => {
  await province.close();
});

const ORIGIN = "ronghe.test/registry";

async function firstDefect(folder: string, crypto: Crypto, keys: KeyStore): Promise<unknown> {
  const key = verifierKey((...parts) => crypto.sm3(...parts), ORIGIN, await keys.publicKey("ledger.registry/1"));
  const db = await openDatabase({ kind: "core", file: join(folder, "core.db"), readOnly: true });
  const report = await verifyDatabase({ db, crypto, trustedKeys: [key], origin: ORIGIN });
  await db.close();
  return report.ok ? undefined : report.firstDefect;
}

function use(code: string, transactionId: string) {
  const scene = { institution: HOSPITAL, terminal: TERMINAL, businessType: "01301" };
  return { ...scene, transactionId, credential: { kind: "code", value: code }, atMs: province.clock.now() } as const;
}

function noteDesk(registry: Registry, statements: readonly string[] = []) {
  return registry.desk<string, bigint>((items, batch) =>
    Promise.resolve(
      items.map((item) => {
        const entry = batch.append({ kind: "test.noted", outcome: "accepted", actor: "core", subject: item });
        batch.write(() => statements.map((sql) => ({ sql, args: [] })));
        return (positionOf) => positionOf(entry).index;
      }),
    ),
  );
}

describe("the registry", () => {
  it("keeps a log that an auditor finds whole, grants and refusals alike", async () => {
    const codes = await Promise.all(Array.from({ length: 300 }, () => province.issue({ form: "opaque" })));
    await Promise.all(codes.map((code, n) => province.core.vault.resolve(use(code, `${HOSPITAL}/a${n}`))));
    await Promise.all(codes.map((code, n) => province.core.vault.resolve(use(code, `${HOSPITAL}/b${n}`))));
    await province.core.registry.idle();
    expect(await firstDefect(province.folder, province.crypto, province.keys)).toBeUndefined();
    const rows = await province.core.registry.db.read(
      "SELECT kind, count(*) AS n FROM leaf WHERE kind LIKE 'vault.token.%' GROUP BY kind ORDER BY kind",
    );
    expect(rows.map((row) => [row["kind"], row["n"]])).toEqual([
      ["vault.token.refused", 300n],
      ["vault.token.resolved", 300n],
    ]);
  });

  it("answers the desks of one batch each with its own positions", async () => {
    const [one, two] = [noteDesk(province.core.registry), noteDesk(province.core.registry)];
    const from = province.core.registry.log.size;
    const indices = await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? one : two).submit(`n${n}`)));
    expect([...indices].sort()).toEqual(Array.from({ length: 10 }, (_, n) => from + BigInt(n)));
    const rows = await province.core.registry.db.read("SELECT subject, idx FROM leaf WHERE kind = 'test.noted'");
    expect(new Map(rows.map((row) => [row["subject"], row["idx"]]))).toEqual(new Map(indices.map((index, n) => [`n${n}`, index])));
  });

  it("writes nothing of a batch that fails, and goes on with the next", async () => {
    const failing = noteDesk(province.core.registry, ["INSERT INTO no_such_table VALUES (1)"]);
    const working = noteDesk(province.core.registry);
    const size = province.core.registry.log.size;
    const together = await Promise.allSettled([failing.submit("x"), working.submit("y")]);
    expect(together.map((one) => one.status)).toEqual(["rejected", "rejected"]);
    expect(province.core.registry.log.size).toBe(size);
    expect(await working.submit("z")).toBe(size);
    await province.core.registry.idle();
    expect(await firstDefect(province.folder, province.crypto, province.keys)).toBeUndefined();
  });

  it("loses the race as a whole when a second process writes the same log", async () => {
    const { crypto, keys, clock, folder } = province;
    await province.core.registry.idle();
    const second = await openRegistry({ file: join(folder, "core.db"), platform: "ronghe.test", crypto, keys, clock });
    const code = await province.issue();
    await province.core.registry.idle();
    await expect(noteDesk(second).submit("x")).rejects.toThrow(/UNIQUE constraint failed: leaf|head moved/);
    await second.close();
    expect((await province.core.vault.resolve(use(code, `${HOSPITAL}/1`))).ok).toBe(true);
    await province.core.registry.idle();
    expect(await firstDefect(folder, crypto, keys)).toBeUndefined();
  });

  it("holds nothing readable about a person, an account, a code or a secret in its files", async () => {
    const code = await province.issue();
    const resolved = valueOf(await province.core.vault.resolve(use(code, `${HOSPITAL}/1`)));
    valueOf(
      await province.core.vault.deTokenise({ ...use(code, `${HOSPITAL}/2`), purpose: "settlement", acceptedAtMs: province.clock.now() }),
    );
    const ehcId = code.slice(0, 64);
    const secrets = [
      PERSON.name,
      PERSON.idNo,
      ...Object.values(ACCOUNTS),
      code,
      code.slice(-86),
      ehcId,
      ehcId.toLowerCase(),
      resolved.ecToken,
    ];
    await province.core.drained();
    for (const file of ["core.db", "core.db-wal", "bus.db", "bus.db-wal"]) {
      const bytes = await readFile(join(province.folder, file)).catch(() => Buffer.alloc(0));
      const found = [...secrets, PARTNER.partnerSecret, APP_USER].filter((secret) => bytes.includes(secret));
      expect({ file, found }).toEqual({ file, found: [] });
    }
    const whole = await readFile(join(province.folder, "core.db-wal"));
    expect(whole.includes(HOSPITAL)).toBe(true);
  });

  it("loses nothing that it answered when the process is killed, and its log verifies", async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("testing/crash-child.ts", import.meta.url))], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const told: { folder?: string; transactionId?: string; code?: string; ecToken?: string; index?: string }[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      told.push(JSON.parse(line));
      if (told.length === 200) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const folder = told[0]?.folder;
    if (folder === undefined || told.length < 200) throw new Error("the child ended before it was killed");
    const { core, crypto, keys, bus, clock } = await openFolder(folder);
    try {
      for (const { transactionId, code, ecToken, index } of told.slice(1)) {
        const again = await core.vault.resolve({
          institution: HOSPITAL,
          terminal: TERMINAL,
          businessType: "01101",
          atMs: clock.now(),
          transactionId: transactionId ?? "",
          credential: {
            kind: "code",
            value: code ?? "",
          },
        });
        const { ecToken: sameToken, position } = valueOf(again);
        expect([sameToken, String(position.index)]).toEqual([ecToken, index]);
      }
      await core.drained();
      expect(await firstDefect(folder, crypto, keys)).toBeUndefined();
      expect(await bus.endOffsets("ledger.entry.appended.v1")).not.toEqual([0n]);
    } finally {
      await core.stop();
      await bus.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
