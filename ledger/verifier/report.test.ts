import { describe, expect, test } from "vitest";
import { CHECKPOINT_CHECKS } from "./checkpoint.ts";
import { EXPORT_CHECKS } from "./export.ts";
import { EXPORTED_LOG_CHECKS } from "./export-log.ts";
import { RANGE_CHECKS } from "./range.ts";
import { RECEIPT_CHECKS } from "./receipt.ts";
import { CheckList, type CheckStatus, verdictOf, worstOf } from "./report.ts";
import { fromClipboard, kindOfText } from "./session.ts";
import { DEFECT_NAMES, isInconclusive } from "./verdict.ts";
import { CHECK_WORDS, EVIDENCE_WORDS, REASON_WORDS, STATUS_WORDS, VERDICT_WORDS } from "./words.ts";

const statuses = (...list: readonly CheckStatus[]): readonly { readonly status: CheckStatus }[] => list.map((status) => ({ status }));

describe("a verdict", () => {
  test("is valid only when there are checks, and every one was made and passed", () => {
    expect(verdictOf(statuses("ok", "ok"))).toBe("valid");
    expect(verdictOf(statuses("ok", "incomplete"))).toBe("incomplete");
    expect(verdictOf(statuses("incomplete", "failed", "ok"))).toBe("invalid");
    expect(verdictOf([])).toBe("incomplete");
  });

  test("over several things is the worst of them, and of nothing incomplete", () => {
    expect(worstOf(["valid", "valid"])).toBe("valid");
    expect(worstOf(["valid", "incomplete"])).toBe("incomplete");
    expect(worstOf(["incomplete", "invalid", "valid"])).toBe("invalid");
    expect(worstOf([])).toBe("incomplete");
  });
});

describe("a list of checks", () => {
  test("shows a check that was not made as incomplete, never as passed", () => {
    const list = new CheckList(["first", "second"]);
    list.pass("first", "seen", { entries: 3 });
    expect(list.results()).toEqual([
      { name: "first", status: "ok", ok: true, detail: "seen", evidence: { entries: 3 } },
      { name: "second", status: "incomplete", ok: false, detail: "not checked", reason: "notMade", evidence: {} },
    ]);
    expect(verdictOf(list.results())).toBe("incomplete");
  });

  test("tells a contradiction from what could not be judged, with the place where it was met", () => {
    const list = new CheckList(["a", "b"]);
    list.fail("a", { name: "leafChain", detail: "broken", index: 7n });
    list.fail("b", { name: "cancelled", detail: "ended" });
    expect(list.results()).toMatchObject([
      { status: "failed", reason: "leafChain", evidence: { index: 7n } },
      { status: "incomplete", reason: "cancelled", evidence: {} },
    ]);
  });

  test("only what contradicts nothing is inconclusive", () => {
    expect(DEFECT_NAMES.filter(isInconclusive)).toEqual([
      "rangeOpen",
      "questionMissing",
      "uncovered",
      "unreadable",
      "exportUnfinished",
      "policyMissing",
      "policyExpired",
      "proofMissing",
      "cancelled",
    ]);
  });
});

describe("words", () => {
  test("stand in both languages for every verdict, status, check, reason and piece of evidence", () => {
    const words = [
      ...Object.values(VERDICT_WORDS).flatMap(({ title, meaning }) => [title, meaning]),
      ...Object.values(STATUS_WORDS),
      ...Object.values(CHECK_WORDS).flatMap(({ title, shows }) => [title, shows]),
      ...Object.values(REASON_WORDS),
      ...Object.values(EVIDENCE_WORDS),
    ];
    expect(words.filter(({ zh, en }) => !/\p{Script=Han}/u.test(zh) || /\p{Script=Han}/u.test(en) || en === "")).toEqual([]);
    expect(Object.keys(CHECK_WORDS).toSorted()).toEqual(
      [...new Set<string>([...RANGE_CHECKS, ...RECEIPT_CHECKS, ...CHECKPOINT_CHECKS, ...EXPORT_CHECKS, ...EXPORTED_LOG_CHECKS])].toSorted(),
    );
    expect(Object.keys(REASON_WORDS).toSorted()).toEqual([...DEFECT_NAMES, "notMade"].toSorted());
  });
});

describe("a text", () => {
  const texts: readonly (readonly [string, ReturnType<typeof kindOfText>])[] = [
    ["ronghe-receipt/1\nindex 0\n", "receipt"],
    ["ronghe-receipt/2\n", "receipt"],
    ["ronghe-range/1\n", "range"],
    ["ronghe-consistency/1\n", "consistency"],
    ["log.example/1\n3\nAAAA\n\n— x y\n", "checkpoint"],
    ["# keys\nlog a+b+c\n", "policy"],
    ["witness w k\n", "policy"],
    ["", undefined],
    ["\u0000", undefined],
    ["Dear auditor,\nplease find below\n", undefined],
  ];
  test.each(texts)("%j is taken for: %s", (text, kind) => {
    expect(kindOfText(text)).toBe(kind);
  });

  test("from a clipboard gets its line ends back", () => {
    expect(fromClipboard("\r\n  a\r\nb\r\n\r\nc  \r\n\r\n")).toBe("a\nb\n\nc\n");
  });
});
