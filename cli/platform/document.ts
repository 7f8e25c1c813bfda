/** A person's document as an operator gives it: on a line of a file, so that no number stands in an argument list. */
import { text } from "node:stream/consumers";
import { canonicalNumber } from "../../core/identity/identity.ts";
import { UsageError } from "../config.ts";
import { readHandedText } from "./handed-file.ts";

const LINE_BYTES_MAX = 4_096;

/** Type of S3 C.2 and number from a line `TYPE NUMBER`; `-` reads the standard input. */
export async function readDocument(file: string): Promise<{ readonly idType: string; readonly idNo: string }> {
  const written = file === "-" ? await text(process.stdin) : await readHandedText(file, LINE_BYTES_MAX);
  const [idType, idNo, ...more] = written.trim().split(/\s+/u);
  if (idType === undefined || !/^\d{2}$/.test(idType) || idNo === undefined || more.length > 0)
    throw new UsageError("the document is one line: type of S3 C.2 and number, for example `01 …`");
  return { idType, idNo: canonicalNumber(idNo) };
}
