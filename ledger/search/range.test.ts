/** Nothing of an institution and a period can be left out of a text that verifies. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AT, crypto, TestPlatform } from "../testing/platform.ts";
import { encodeLeaf } from "../leaf-encoder.ts";
import { toHex, utf8 } from "../verifier/bytes.ts";
import { decodeLeaf } from "../verifier/leaf.ts";
import { type EntryRange, parseRange, printRange, type RangeQuestion, type RangeReport, verifyRange } from "../verifier/range.ts";
import { proveRange } from "./range.ts";

const SIZE = 700;
/** Entries of one institution of seven. */
const INSTITUTION = "H51003";
let platform: TestPlatform;
let other: TestPlatform;

beforeAll(async () => {
  platform = await TestPlatform.create();
  other = await TestPlatform.create("ronghe.example/51/settlement-1");
  for (const one of [platform, other]) {
    // One posted time for each append: the sample platform's clock is the size of its log.
    for (let size = 0; size < SIZE; size += 50) await one.append(50);
    await one.log.checkpoint(AT);
  }
});
afterAll(async () => {
  await platform.close();
  await other.close();
});

interface Asked {
  readonly from?: number;
  readonly to?: number | null;
  readonly institution?: string | undefined;
}

async function made({ from = 100, to = 300, institution = INSTITUTION }: Asked = {}, of: TestPlatform = platform): Promise<string> {
  const checkpoint = of.log.latestCheckpoint();
  if (checkpoint === undefined) throw new Error("unsigned");
  return await proveRange({
    db: of.db,
    sm3: crypto.sm3,
    origin: of.log.origin,
    institution: institution === "" ? undefined : institution,
    fromMs: BigInt(AT + from),
    toMs: to === null ? undefined : BigInt(AT + to),
    checkpoint,
  });
}

/** By an auditor who asked exactly what the text says it answers. */
const verify = (given: string | EntryRange): RangeReport => {
  const text = typeof given === "string" ? given : printRange(crypto.sm3, given);
  const parsed = parseRange(crypto.sm3, text);
  return verifyRange(crypto, text, { trust: [platform.signer.trusted], asked: parsed.ok ? parsed.value : undefined });
};
async function rangeOf(asked?: Asked): Promise<EntryRange> {
  const parsed = parseRange(crypto.sm3, await made(asked));
  if (!parsed.ok) throw new Error(parsed.error.detail);
  return parsed.value;
}
/** With the SM3 that a changed text has. */
const resealed = (text: string): string => {
  const body = text.slice(text.indexOf("\n", text.indexOf("\n") + 1) + 1);
  return `${text.slice(0, text.indexOf("\n"))}\nsm3 ${toHex(crypto.sm3(utf8(body)))}\n${body}`;
};
const refusal = (report: RangeReport): unknown => {
  expect([report.ok, report.proven]).toEqual([false, undefined]);
  return [report.verdict, report.firstDefect?.name];
};

describe("a range is proven", () => {
  test("with every entry of the institution in the period, and no other", async () => {
    const report = verify(await made());
    expect(report.checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "format ok",
      "question ok",
      "leaf ok",
      "signature ok",
      "witnesses ok",
      "run ok",
      "chain ok",
      "period ok",
    ]);
    const wanted = Array.from({ length: 200 }, (_, at) => 100 + at).filter((n) => n % 7 === 3);
    expect(report.proven?.entries.map(({ index }) => Number(index))).toEqual(wanted);
  });

  test.each([
    ["from the first entry", { from: -5, to: 50 }, 50],
    ["up to the checkpoint", { from: 650, to: null }, 50],
    ["of a time in which nothing was", { from: 101, to: 149 }, 0],
    ["the whole log", { from: 0, to: null }, 700],
    ["before the log", { from: -10, to: -5 }, 0],
  ])("%s", async (_, asked, count) => {
    const report = verify(await made({ ...asked, institution: "" }));
    expect(
      report.ok,
      JSON.stringify(report.checks, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).toBe(true);
    expect(report.proven?.entries).toHaveLength(count);
  });

  test("at every pair of ends, against a scan of all entries", async () => {
    for (let from = 0; from < 650; from += 50)
      for (let to = from + 1; to <= 650; to += 187) {
        const report = verify(await made({ from, to }));
        const wanted = Array.from({ length: SIZE }, (_, n) => n).filter((n) => {
          const atMs = Math.floor(n / 50) * 50;
          return n % 7 === 3 && atMs >= from && atMs < to;
        });
        expect([report.ok, report.proven?.entries.map(({ index }) => Number(index))]).toEqual([true, wanted]);
      }
  });
});

describe("a range is incomplete, never valid,", () => {
  test("while the log has not gone beyond the period", async () => {
    expect(refusal(verify(await made({ from: 600, to: 5_000 })))).toEqual(["incomplete", "rangeOpen"]);
  });
  test("without keys to trust", async () => {
    const range = await rangeOf();
    expect(refusal(verifyRange(crypto, printRange(crypto.sm3, range), { trust: undefined, asked: range }))).toEqual([
      "incomplete",
      "policyMissing",
    ]);
  });
});

describe("a range is refused", () => {
  test("with one entry left out, wherever it stood", async () => {
    const range = await rangeOf();
    for (const at of [0, 1, 73, range.leaves.length - 2, range.leaves.length - 1]) {
      const [verdict] = refusal(verify({ ...range, leaves: range.leaves.toSpliced(at, 1) })) as [string];
      expect(verdict).toBe("invalid");
    }
  });

  test("with its beginning cut, and the tree made to fit", async () => {
    const later = await rangeOf({ from: 150, to: 300 });
    expect(refusal(verify({ ...later, fromMs: BigInt(AT + 100) }))).toEqual(["invalid", "rangeBoundary"]);
  });

  test("with its end cut, and the tree made to fit", async () => {
    const earlier = await rangeOf({ from: 100, to: 250 });
    expect(refusal(verify({ ...earlier, toMs: BigInt(AT + 300) }))).toEqual(["invalid", "rangeBoundary"]);
    expect(refusal(verify({ ...earlier, toMs: undefined }))).toEqual(["invalid", "rangeBoundary"]);
  });

  test("with an entry of the institution disguised as another's", async () => {
    const range = await rangeOf();
    const at = range.leaves.findIndex((bytes) => {
      const leaf = decodeLeaf(bytes);
      return leaf.ok && leaf.value.institution === INSTITUTION;
    });
    const leaf = decodeLeaf(range.leaves[at] ?? new Uint8Array());
    if (!leaf.ok) throw new Error("no leaf");
    const disguised = encodeLeaf({ ...leaf.value, institution: "H51004" });
    expect(refusal(verify({ ...range, leaves: range.leaves.with(at, disguised) }))).toEqual(["invalid", "proofRoot"]);
  });

  test("with entries of another log, or another log's checkpoint", async () => {
    const range = await rangeOf();
    const theirs = parseRange(crypto.sm3, await made({}, other));
    if (!theirs.ok) throw new Error("unread");
    expect(refusal(verify({ ...range, checkpoint: theirs.value.checkpoint }))).toEqual(["invalid", "checkpointOrigin"]);
    expect(refusal(verify({ ...theirs.value, origin: range.origin, checkpoint: range.checkpoint }))).toEqual(["invalid", "proofRoot"]);
  });

  test("with two entries swapped, one doubled, or the place moved", async () => {
    const range = await rangeOf();
    const [a, b] = [range.leaves[10], range.leaves[11]];
    if (a === undefined || b === undefined) throw new Error("short");
    const changes: Partial<EntryRange>[] = [
      { leaves: range.leaves.with(10, b).with(11, a) },
      { leaves: range.leaves.toSpliced(10, 0, a) },
      { first: range.first + 1n },
      { first: range.first - 1n },
      { left: range.left.slice(1) },
      { path: range.path.slice(1) },
      { left: range.left.toReversed() },
      { leaves: [] },
    ];
    for (const change of changes) expect((refusal(verify({ ...range, ...change })) as [string])[0]).toBe("invalid");
  });

  test("when any bit of any hash is turned", async () => {
    const range = await rangeOf();
    for (const part of ["left", "path"] as const)
      for (const [at, hash] of range[part].entries())
        for (const byte of [0, 17, 31])
          expect(verify({ ...range, [part]: range[part].with(at, hash.with(byte, (hash[byte] ?? 0) ^ (1 << (byte % 8)))) }).ok).toBe(false);
  });

  test("when any character is changed, be it in what was asked for or in a line that nobody is asked to trust", async () => {
    const text = (await made({ from: 120, to: 160 })) + "\u2014 witness.example " + btoa("x".repeat(76)) + "\n";
    expect(verify(resealed(text)).ok).toBe(true);
    const sealed = resealed(text);
    for (let at = 0; at < sealed.length; at += at < 300 || at > sealed.length - 300 ? 5 : 331) {
      const changed = sealed.slice(0, at) + (sealed[at] === "1" ? "2" : "1") + sealed.slice(at + 1);
      expect(verify(changed).ok, `character ${at}`).toBe(false);
    }
    for (const other of [sealed.replace(`institution ${INSTITUTION}`, "institution H51004"), sealed.replace(/\nto \d+/, "\nto -")])
      expect(refusal(verify(other))).toEqual(["invalid", "rangeMalformed"]);
    expect(refusal(verify(sealed.replace(/\nsm3 [^\n]+/, "")))).toEqual(["invalid", "rangeMalformed"]);
  });

  test.each([
    ["a period that ends before it begins", (text: string) => text.replace(/\nto \d+/, "\nto 1")],
    ["a line more", (text: string) => text.replace("\nfrom ", "\nnote x\nfrom ")],
    ["a leading zero", (text: string) => text.replace("\nfirst ", "\nfirst 0")],
    ["a line twice", (text: string) => text.replace(/\n(institution [^\n]+)/, "\n$1\n$1")],
    ["another title", (text: string) => text.replace("range/1", "range/2")],
  ])("with %s", async (_, change) => {
    const [verdict, name] = refusal(verify(resealed(change(await made())))) as [string, string];
    expect([verdict, name]).toEqual(["invalid", "rangeMalformed"]);
  });
});

const asking = async (change: Partial<RangeQuestion> | undefined, text?: string): Promise<RangeReport> => {
  const range = await rangeOf();
  const asked = change === undefined ? undefined : { ...range, ...change };
  return verifyRange(crypto, text ?? printRange(crypto.sm3, range), { trust: [platform.signer.trusted], asked });
};

/** Made out to another institution, with the SM3 that it then has. */
const madeOutTo = async (institution: string): Promise<string> =>
  resealed((await made()).replace(`institution ${INSTITUTION}`, `institution ${institution}`));

describe("a range answers the auditor's own question", () => {
  test("and repeats it beside what the text says of itself", async () => {
    const { asked, claimed, proven } = await asking({});
    const question = { origin: platform.log.origin, institution: INSTITUTION, fromMs: BigInt(AT + 100), toMs: BigInt(AT + 300) };
    expect([asked, claimed, proven?.range]).toMatchObject([question, question, question]);
  });

  test("and without one is incomplete, shows nothing, and is checked all the same", async () => {
    const report = await asking(undefined);
    expect(refusal(report)).toEqual(["incomplete", "questionMissing"]);
    expect(report.checks.filter((check) => !check.ok).map((check) => check.name)).toEqual(["question"]);
    const range = await rangeOf();
    const cut = printRange(crypto.sm3, { ...range, leaves: range.leaves.slice(1) });
    expect(refusal(await asking(undefined, cut))).toEqual(["invalid", "proofMalformed"]);
  });

  test.each([
    ["another institution", { institution: "H51004" }],
    ["everybody", { institution: undefined }],
    ["an earlier begin", { fromMs: BigInt(AT + 99) }],
    ["a later end", { toMs: BigInt(AT + 301) }],
    ["no end", { toMs: undefined }],
    ["another log", { origin: "ronghe.example/51/settlement-1" }],
  ])("and is refused when he asked for %s", async (_, change) => {
    expect(refusal(await asking(change))).toEqual(["invalid", "questionMismatch"]);
  });

  test("never by an institution that only looks like it: a zero-width space, a full-width or Cyrillic letter, a blank", async () => {
    for (const institution of [
      "H51003\u200b",
      "\u200bH51003",
      "Ｈ51003",
      "Н51003",
      "H51003 ",
      "H51003\r",
      "H51003\u202e",
      "h51003\u0301",
    ]) {
      const text = await madeOutTo(institution);
      expect(refusal(verify(text)), JSON.stringify(institution)).toEqual(["invalid", "rangeMalformed"]);
      expect(refusal(await asking({ institution }))).toEqual(["invalid", "questionMismatch"]);
    }
    const range = await rangeOf();
    expect(() => printRange(crypto.sm3, { ...range, institution: "H51003\u200b" })).toThrow("[0-9A-Za-z._-]");
  });
});
