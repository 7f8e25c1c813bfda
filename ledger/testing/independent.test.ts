/**
 * FORMAT.md is enough to write a verifier: one in another language, made from that page alone, finds what ours finds, by the
 * same name, in whatever is handed to both.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AT, crypto, TestPlatform } from "./platform.ts";
import { testWitness } from "./witnesses.ts";
import { toHex, utf8, utf8Text } from "../verifier/bytes.ts";
import { type Policy, type Trust, verifyCheckpoint } from "../verifier/note.ts";
import { parsePolicy, printPolicy } from "../verifier/policy.ts";
import { type RangeQuestion, verifyRange } from "../verifier/range.ts";
import { verifyReceipt } from "../verifier/receipt.ts";
import { proveRange } from "../search/range.ts";

const SCRIPT = fileURLToPath(new URL("./independent.py", import.meta.url));
const golden = (name: string): string => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
const hasPython = spawnSync("python3", ["-c", "import hashlib; hashlib.new('sm3')"]).status === 0;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await TestPlatform.create();
  for (let n = 0; n < 4; n += 1) await platform.append(10);
  await platform.log.checkpoint(AT);
});
afterAll(async () => {
  await platform.close();
});

type Kind = "receipt" | "range" | "checkpoint";

interface Case {
  readonly policy: Uint8Array;
  readonly material: Uint8Array;
  readonly asked?: readonly string[];
  /** What our verifier says. */
  readonly ours: string;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** Both say the same of each case; what was said, each once. */
function agreed(kind: Kind, cases: readonly Case[]): ReadonlySet<string> {
  const input = JSON.stringify(cases.map(({ policy, material, asked = [] }) => [kind, base64(policy), base64(material), asked]));
  const said = JSON.parse(execFileSync("python3", [SCRIPT, "-"], { input, encoding: "utf8" })) as readonly string[];
  for (const [at, { ours, policy, material, asked }] of cases.entries())
    expect(said[at], [policy, material].map((bytes) => new TextDecoder().decode(bytes)).join("\n---\n") + String(asked)).toBe(ours);
  return new Set(said);
}

function trustOf(bytes: Uint8Array): Policy | string {
  const text = utf8Text(bytes);
  const policy = text === undefined ? undefined : parsePolicy(crypto.sm3, text);
  return policy?.ok === true ? policy.value : "policyMalformed";
}

type Verify = (text: string, trust: Trust) => string;
const receipt: Verify = (text, trust) => verifyReceipt(crypto, text, trust).firstDefect?.name ?? "valid";
const checkpoint: Verify = (text, trust) => {
  const checked = verifyCheckpoint(crypto, text, trust);
  return checked.ok ? "valid" : checked.error.name;
};

function ours(policy: Uint8Array, material: Uint8Array, verify: Verify): string {
  const trust = trustOf(policy);
  if (typeof trust === "string") return trust;
  const text = utf8Text(material);
  return text === undefined ? "unreadable" : verify(text, trust);
}

/** Every `step`th byte with one bit turned, and the text with an end cut off or put on. */
function* changes(bytes: Uint8Array, step: number): Generator<Uint8Array> {
  yield bytes;
  for (let at = 0; at < bytes.length; at += step) yield bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 7)));
  yield bytes.slice(0, -1);
  yield Uint8Array.of(...bytes, 0x0a);
  yield utf8(new TextDecoder().decode(bytes).replaceAll("\n", "\r\n"));
}

describe.skipIf(!hasPython && process.env["CI"] === undefined)("the two verifiers agree", () => {
  test.each([
    ["a receipt", "example/policy.txt", "example/receipt-1.txt", "receipt", 67],
    ["a receipt of several entries", "platform/policy.txt", "platform/receipt-several.txt", "receipt", 397],
    ["a checkpoint", "forty/policy.txt", "forty/checkpoint-13.txt", "checkpoint", 11],
  ] as const)("on %s, changed anywhere", (_, policyFile, file, kind, step) => {
    const policy = readFileSync(golden(policyFile));
    const verify = kind === "receipt" ? receipt : checkpoint;
    const cases = [...changes(readFileSync(golden(file)), step)].map((material) => ({
      policy,
      material,
      ours: ours(policy, material, verify),
    }));
    const found = agreed(kind, cases);
    expect(found.size).toBeGreaterThan(2);
  });

  test("on policies of every spelling, and on quorums", () => {
    const note = readFileSync(golden("forty/checkpoint-13.txt"), "utf8");
    const log = readFileSync(golden("forty/policy.txt"), "utf8");
    const [a, b, c] = ["a", "b", "c"].map((name, at) => testWitness(name, 0x51 + at));
    if (a === undefined || b === undefined || c === undefined) throw new Error("three");
    const withWitnesses = printPolicy({ logs: [], witnesses: [a, b, c], groups: [] })
      .split("\n")
      .slice(1, 4)
      .join("\n");
    const grouped = (lines: string): string => `${log}${withWitnesses}\n${lines}\n`;
    const two = "group q 2 a b c\nquorum q";
    const policies = [
      two,
      "group q any a b c\nquorum q",
      "group q all a b c\nquorum q",
      "quorum a",
      "quorum none",
      "",
      "group q 0 a b c\nquorum q",
      "group q 4 a b c\nquorum q",
      "group q 02 a b c\nquorum q",
      "group q 2 a a b\nquorum q",
      "group q 1 a\ngroup r 1 a\nquorum q",
      "group q 1 x\nquorum q",
      "group none 1 a\nquorum none",
      "group q 2\nquorum q",
      "group p 1 a b\ngroup q 2 p c\nquorum q",
      `${two}\nquorum q`,
      `${two} `,
      `${two}\nmore`,
      "quorum q\ngroup q 1 a",
    ].map(grouped);
    const texts = [...policies, log, log.slice(0, -1), `\ufeff${log}`, `# \u0007\n${log}`, log.replaceAll("\n", "\r\n"), "", "\n"];
    const linesOf = ["", a.line(note) + c.line(note), b.line(note.replace("13", "14"))];
    const cases = texts.flatMap((text) =>
      linesOf.map((lines) => {
        const [policy, material] = [utf8(text), utf8(note + lines)];
        return { policy, material, ours: ours(policy, material, checkpoint) };
      }),
    );
    expect(agreed("checkpoint", cases)).toContain("quorumMissing");
  });

  test("on ranges: what was asked, what is left out, what is not over", async () => {
    const policy = utf8(printPolicy([platform.signer.trusted]));
    const trust = trustOf(policy);
    const newest = platform.log.latestCheckpoint();
    if (typeof trust === "string" || newest === undefined) throw new Error("no policy, no checkpoint");
    const question: RangeQuestion = { origin: platform.log.origin, institution: "H51003", fromMs: BigInt(AT + 10), toMs: BigInt(AT + 25) };
    const made = async (asked: RangeQuestion): Promise<string> =>
      await proveRange({ db: platform.db, sm3: crypto.sm3, ...asked, checkpoint: newest });
    const sound = await made(question);
    const body = (change: (text: string) => string): string => {
      const [title = "", , ...lines] = sound.split("\n");
      const rest = change(lines.join("\n"));
      return `${title}\nsm3 ${toHex(crypto.sm3(utf8(rest)))}\n${rest}`;
    };
    const changed = [
      (text: string) => text.replace(/\nleaf [^\n]+/, ""),
      (text: string) => text.replace(/\nleft [^\n]+/, ""),
      (text: string) => text.replace(/\npath [^\n]+/, ""),
      (text: string) => text.replace("institution H51003", "institution H51004"),
      (text: string) => text.replace("institution H51003", "institution H51003\u200b"),
      (text: string) => text.replace("institution H51003", "institution *"),
      (text: string) => text.replace(/\nfrom \d+/, "\nfrom 253402300800000"),
      (text: string) => text.replace(/\nfrom \d+/, `\nfrom ${AT}`),
      (text: string) => text.replace(/\nto \d+/, "\nto -"),
      (text: string) => text.replace(/\nto \d+/, "\nto 1"),
      (text: string) => text.replace(/\nfirst (\d+)/, "\nfirst 0$1"),
      (text: string) => text.replace(/\nfirst \d+/, "\nfirst 8"),
      (text: string) => text.replace(/(\nleft [^\n]+)([^]*)(\npath )/, "$2$1$3"),
    ].map(body);
    const texts = [
      sound,
      sound.slice(0, -1),
      sound.replace(/\nsm3 [^\n]+/, ""),
      await made({ ...question, toMs: undefined }),
      await made({ ...question, toMs: BigInt(AT + 90) }),
    ];
    const found = agreed(
      "range",
      texts.concat(changed).flatMap((text) =>
        [question, undefined, { ...question, institution: undefined }].map((asked) => ({
          policy,
          material: utf8(text),
          asked: asked === undefined ? [] : [asked.institution ?? "*", String(asked.fromMs), String(asked.toMs ?? "-"), asked.origin],
          ours: verifyRange(crypto, text, { trust, asked }).firstDefect?.name ?? "valid",
        })),
      ),
    );
    expect([...found]).toEqual(
      expect.arrayContaining(["valid", "questionMissing", "questionMismatch", "rangeMalformed", "rangeBoundary", "rangeOpen"]),
    );
  });
});
