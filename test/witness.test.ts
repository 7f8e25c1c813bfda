/** Witnesses as processes of their own beside a platform: who stands by its ledger, what happens when they fall away, and who is caught. */
import { appendFile, copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRuntime, layoutOf } from "../cli/platform/layout.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../ledger/testing/platform.ts";
import { parseWitnessKey } from "../ledger/verifier/note.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { parseReceipt, printReceipt } from "../ledger/verifier/receipt.ts";
import { submitCheckpoint } from "../ledger/witness/client.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { launch, ronghe, serve, type Serving } from "./harness/process.ts";

// Each test starts and stops whole processes: a busy machine takes its time.

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const running = new Set<Serving>();

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  await Promise.all([...running].map((one) => one.kill9()));
  await folder[Symbol.asyncDispose]();
});

interface WitnessProcess {
  readonly name: string;
  readonly data: string;
  /** Line for a policy, with its address. */
  readonly line: string;
  readonly url: string;
  readonly serving: Serving;
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
}

async function startWitness(name: string, policy: string, more: readonly string[] = ["--port", "0"]): Promise<WitnessProcess> {
  const data = join(folder.path, name);
  const made = await ronghe(["witness", "init", "--data", data, "--name", `witness.example/${name}`], {});
  if (made.code === 0) await copyFile(policy, join(data, "logs-policy.txt"));
  return await serveWitness(name, more);
}

async function serveWitness(name: string, more: readonly string[]): Promise<WitnessProcess> {
  const data = join(folder.path, name);
  const serving = launch(["witness", "serve", "--data", data, ...more], {});
  running.add(serving);
  const output = await until(`${name} serves`, () => {
    if (serving.child.exitCode !== null) throw new Error(`${name} ended: ${serving.output()}`);
    return serving.output().includes("stop with Ctrl-C") ? serving.output() : undefined;
  });
  const line = output.split("\n").find((one) => one.startsWith("witness witness.")) ?? "";
  const words = line.split(" ");
  // A policy calls its witnesses as it likes.
  return { name, data, serving, url: words[3] ?? "", line: ["witness", name, words[2], words[3]].join(" ") };
}

async function kill(witness: WitnessProcess): Promise<void> {
  running.delete(witness.serving);
  await witness.serving.kill9();
}

const portOf = (witness: WitnessProcess): string => new URL(witness.url).port;
const last = (text: string): Record<string, unknown> => JSON.parse(text.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

describe("a platform whose policy asks for two of three witnesses", () => {
  let settings: Record<string, string>;
  let policy: string;
  let platform: Serving;
  let witnesses: readonly WitnessProcess[];

  beforeAll(async () => {
    settings = {
      RONGHE_DATA: join(folder.path, "province"),
      ...FREE_PORTS,
      RONGHE_WITNESS_WAIT_MS: "30000",
      RONGHE_CHECKPOINT_INTERVAL_MS: "50",
    };
    const made = await ronghe(["sandbox", "init", "--people", "20"], settings);
    expect(made.code, made.stderr).toBe(0);
    policy = layoutOf(settings["RONGHE_DATA"] ?? "").policy;
    witnesses = await Promise.all(["hospital", "insurer", "bank"].map((name) => startWitness(name, policy)));
    const more = [...witnesses.map(({ line }) => line), "group enough 2 hospital insurer bank", "quorum enough", ""];
    await appendFile(policy, more.join("\n"));
    platform = await serve(["all"], settings);
    running.add(platform);
  });

  async function coreUrl(): Promise<string> {
    return (await readRuntime(layoutOf(settings["RONGHE_DATA"] ?? ""))).coreUrl ?? "";
  }
  async function status(): Promise<{ status: string; logs: { origin: string; publishedSize: string; signedSize: string }[] }> {
    return (await (await fetch(`${await coreUrl()}/ledger/v1/status`)).json()) as Awaited<ReturnType<typeof status>>;
  }
  async function settle(id: string, receipt: string) {
    const code = await ronghe(["code", "issue"], settings);
    expect(code.code, code.stderr).toBe(0);
    return await ronghe(
      ["call", "rh.settle", "--code", code.stdout.trim(), "--amount", "88.00", "--id", id, "--receipt", receipt, "--wait", "20"],
      settings,
    );
  }

  it("settles, and hands out a receipt that two witnesses stand by", async () => {
    const receipt = join(folder.path, "receipt.txt");
    const settled = await settle("W1", receipt);
    expect(last(settled.stdout), settled.stderr).toMatchObject({ code: "0", status: "settled", amount: "88.00" });
    const text = await readFile(receipt, "utf8");
    expect(text.split("\n").filter((line) => line.startsWith("\u2014 witness.example/")).length).toBeGreaterThanOrEqual(2);
    const verified = await ronghe(["ledger", "verify", receipt, "--policy", policy]);
    expect(verified.code, verified.stdout).toBe(0);
    // Without the lines of two witnesses it is the log's word and no more.
    const parsed = parseReceipt(text);
    if (!parsed.ok) throw new Error(parsed.error.detail);
    const [kept = "", ...lines] = parsed.value.checkpoint.split(/(?=\u2014 witness\.example)/u);
    const stripped = join(folder.path, "stripped.txt");
    await appendFile(stripped, printReceipt({ ...parsed.value, checkpoint: kept + (lines[0] ?? "") }));
    const refused = await ronghe(["ledger", "verify", stripped, "--policy", policy]);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout).toContain("quorumMissing");
  });

  it("is followed over its bus by whoever holds the policy, from the first entry or from where they stopped", async () => {
    const state = join(folder.path, "follow.json");
    const follow = ["ledger", "follow", "--policy", policy, "--once", "--requests", "--state", state, "--json"];
    const first = await ronghe(follow, settings);
    expect(first.code, first.stderr).toBe(0);
    expect(last(first.stdout)).toMatchObject({
      ok: true,
      logs: expect.arrayContaining([expect.objectContaining({ uncovered: 0, unwitnessed: 0 })]),
    });
    const again = last((await ronghe(follow, settings)).stdout) as { ok: boolean; logs: { entries: number; duplicates: number }[] };
    expect(again.ok).toBe(true);
    // A witness who joined late is no repeat: its head may have come again, no entry has.
    expect(again.logs.map(({ duplicates }) => duplicates)).toEqual(again.logs.map(() => 0));
  });

  it("fail closed: with one witness left it settles, publishes nothing new and says so, and owes the receipt until they are back", async () => {
    const [hospital, insurer, bank] = witnesses;
    if (hospital === undefined || insurer === undefined || bank === undefined) throw new Error("three witnesses");
    await platform.stop();
    running.delete(platform);
    platform = await serve(["all"], { ...settings, RONGHE_WITNESS_WAIT_MS: "200" });
    running.add(platform);
    await until("all witnessed", async () => ((await status()).status === "ok" ? true : undefined));
    const before = new Map((await status()).logs.map((log) => [log.origin, log.publishedSize]));
    await Promise.all([kill(hospital), kill(insurer)]);
    const receipt = join(folder.path, "late.txt");
    const settled = await settle("W2", receipt);
    expect(settled.stdout, settled.stderr).toContain('"settled"');
    expect(settled.stderr).toContain("there is no receipt yet");
    const held = await until("held back", async () => {
      const now = await status();
      return now.status === "heldBack" ? now : undefined;
    });
    expect(held.logs.filter((log) => log.publishedSize !== before.get(log.origin)).map((log) => log.origin)).toEqual([]);
    expect(held.logs.some((log) => log.signedSize !== log.publishedSize)).toBe(true);
    expect(await (await fetch(`${await coreUrl()}/health`)).json()).toMatchObject({ status: "ok", ledger: "heldBack" });
    expect(platform.output()).toContain('"checkpointHeldBack"');
    expect((await ronghe(["ledger", "witnesses"], settings)).code).toBe(1);

    // Back on their old addresses, where they stood when they were killed.
    const back = await Promise.all([
      serveWitness("hospital", ["--port", portOf(hospital)]),
      serveWitness("insurer", ["--port", portOf(insurer)]),
    ]);
    witnesses = [...back, bank];
    await until("witnessed again", async () => ((await status()).status === "ok" ? true : undefined));
    expect(platform.output()).toContain('"checkpointWitnessed"');
    await until("the receipt that was owed", async () => {
      const asked = await ronghe(["call", "rh.result", "--id", "W2", "--receipt", receipt], settings);
      return asked.code === 0 ? true : undefined;
    });
    const verified = await ronghe(["ledger", "verify", receipt, "--policy", policy]);
    expect(verified.code, verified.stdout).toBe(0);
  });

  it("fail open: with one witness left it publishes with what there is, and says so", async () => {
    const [hospital, insurer] = witnesses;
    if (hospital === undefined || insurer === undefined) throw new Error("three witnesses");
    await platform.stop();
    running.delete(platform);
    platform = await serve(["all"], { ...settings, RONGHE_WITNESS_FAIL: "open" });
    running.add(platform);
    await Promise.all([kill(hospital), kill(insurer)]);
    const receipt = join(folder.path, "open.txt");
    const settled = await settle("W3", receipt);
    expect(last(settled.stdout), settled.stderr).toMatchObject({ status: "settled" });
    await until("unwitnessed", async () => ((await status()).status === "unwitnessed" ? true : undefined));
    expect(platform.output()).toContain('"checkpointUnwitnessed"');
    const refused = await ronghe(["ledger", "verify", receipt, "--policy", policy]);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout).toContain("quorumMissing");
    const followed = await ronghe(["ledger", "follow", "--policy", policy, "--once"], settings);
    expect(followed.code).toBe(1);
    expect(followed.stderr).toContain("DEFECT quorumMissing");
  });
});

describe("a witness that is killed again and again", () => {
  it("stands at what it acknowledged or beyond, and goes on from there", async () => {
    const log = await TestPlatform.create();
    try {
      const policy = join(folder.path, "killed.txt");
      await appendFile(policy, printPolicy([{ ...testSigner().trusted, origins: [ORIGIN] }]));
      let witness = await startWitness("killed", policy);
      const key = parseWitnessKey(crypto.sm3, witness.line.split(" ")[2] ?? "");
      if (!key.ok) throw new Error(key.error.detail);
      let known = 0n;
      let acknowledged = 0n;
      for (let round = 0; round < 4; round++) {
        // The last one of each round is under way while its witness is killed.
        for (let n = 0; n < 8; n++) {
          await log.append(1 + n);
          const { size, note } = await log.log.checkpoint(AT);
          const asked = async (from: bigint) => {
            const proof = from === 0n || from === size ? [] : await log.log.consistency(from, size);
            const to = { name: "killed", key: key.value, url: witness.url };
            return await submitCheckpoint(crypto, to, { oldSize: from, proof, note }, { timeoutMs: 20_000 });
          };
          const asking = asked(known);
          if (n === 7 && round < 3) await Promise.all([kill(witness), sleep(0)]);
          let answer = await asking;
          if (answer.kind === "conflict") {
            // It had made a head durable and was killed before it could say so: that head is one of ours.
            expect(answer.size > known && answer.size < size, `${known} ${answer.size} ${size}`).toBe(true);
            answer = await asked(answer.size);
          }
          if (answer.kind === "cosigned") known = acknowledged = size;
          else
            expect(
              answer.kind === "away" && n === 7,
              JSON.stringify(answer, (_, value: unknown) => String(value)),
            ).toBe(true);
        }
        if (round === 3) break;
        witness = await serveWitness("killed", ["--port", portOf(witness)]);
        const { logs } = (await (await fetch(`${witness.url}/status`)).json()) as { logs: { size: string }[] };
        expect(BigInt(logs[0]?.size ?? 0) >= acknowledged).toBe(true);
      }
      expect(acknowledged).toBe(log.log.size);
      await kill(witness);
    } finally {
      await log.close();
    }
  });
});

describe("a sequencer that shows two witnesses two histories", () => {
  it("is caught by their comparing; both heads are kept, and nothing is cosigned until somebody answers for it", async () => {
    const [honest, lying] = [await TestPlatform.create(), await TestPlatform.create()];
    try {
      const policy = join(folder.path, "one-log.txt");
      await appendFile(policy, printPolicy([{ ...testSigner().trusted, origins: [ORIGIN] }]));
      const first = await startWitness("first", policy);
      const second = await startWitness("second", policy, ["--port", "0", "--peer", first.url, "--gossip-every", "1"]);
      const ask = async (witness: WitnessProcess, on: TestPlatform, oldSize: bigint) => {
        const checkpoint = await on.log.checkpoint(AT);
        const key = parseWitnessKey(crypto.sm3, witness.line.split(" ")[2] ?? "");
        if (!key.ok) throw new Error(key.error.detail);
        const proof = oldSize === 0n ? [] : await on.log.consistency(oldSize, checkpoint.size);
        const asked = { name: witness.name, key: key.value, url: witness.url };
        return await submitCheckpoint(crypto, asked, { oldSize, proof, note: checkpoint.note }, { timeoutMs: 20_000 });
      };
      await honest.append(6);
      await lying.append(6, { actor: "edge/another-truth" });
      expect(await ask(first, honest, 0n)).toMatchObject({ kind: "cosigned" });
      expect(await ask(second, lying, 0n)).toMatchObject({ kind: "cosigned" });

      await until("an alarm", () => (second.serving.output().includes("SPLIT VIEW 1") ? true : undefined));
      const evidence = await until(
        "the file",
        async () => await readFile(join(second.data, "split-view-1.txt"), "utf8").catch(() => undefined),
      );
      for (const on of [honest, lying]) expect(evidence).toContain((await on.log.checkpoint(AT)).note.trimEnd());
      const served = (await (await fetch(`${second.url}/split-views`)).json()) as { splitViews: object[] };
      expect(served.splitViews).toMatchObject([{ origin: ORIGIN, kind: "sameSize", source: first.url }]);
      await lying.append(2);
      expect(await ask(second, lying, 6n)).toMatchObject({ kind: "refused", reason: expect.stringContaining("splitView") });
      const check = await ronghe(["witness", "check", "--data", second.data, "--json"], {});
      expect(check.code).toBe(1);
      expect(last(check.stdout)).toMatchObject({ ok: false, splitViews: [{ state: "open", bothSignedByTheLog: true }] });

      // Killed and started again it still refuses; only an answer ends it.
      await kill(second);
      const again = await serveWitness("second", ["--port", portOf(second)]);
      expect(await ask(again, lying, 6n)).toMatchObject({ kind: "refused" });
      const answer = ["witness", "acknowledge", "--data", second.data, "--id", "1", "--by", "auditor/wang", "--reason", "a drill"];
      expect((await ronghe(answer, {})).code).toBe(0);
      await until("it cosigns again", async () => ((await ask(again, lying, 6n)).kind === "cosigned" ? true : undefined));
      expect((await ronghe(["witness", "check", "--data", second.data], {})).code).toBe(0);
    } finally {
      await honest.close();
      await lying.close();
    }
  });
});
