/** What an auditor may hand to the verifier as a text, told apart by its first lines. */
import { CONSISTENCY_TITLE } from "./checkpoint.ts";
import { RANGE_TITLE } from "./range.ts";
import { RECEIPT_TITLE } from "./receipt.ts";

export type TextKind = "receipt" | "range" | "checkpoint" | "consistency" | "policy";

/** `undefined` for a text that is none of them. What it claims to be is all that is looked at: the checks come later. */
export function kindOfText(text: string): TextKind | undefined {
  const [first = ""] = text.split("\n", 1);
  if (first.startsWith(RECEIPT_TITLE.slice(0, -1))) return "receipt";
  if (first.startsWith(RANGE_TITLE.slice(0, -1))) return "range";
  if (first.startsWith(CONSISTENCY_TITLE.slice(0, -1))) return "consistency";
  if (/^[^\n]+\n\d+\n[^\n]+\n/.test(text)) return "checkpoint";
  return /^(?:log|witness|group|quorum|head-age|until) /m.test(text) ? "policy" : undefined;
}

/** A text that went through a clipboard: line ends as they were, and one newline at the end. */
export function fromClipboard(text: string): string {
  return `${text.replaceAll("\r\n", "\n").replace(/^\s+/, "").replace(/\s+$/, "")}\n`;
}
