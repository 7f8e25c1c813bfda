/** In which encoding a file is, and what stands between its fields: what the mapping says, else what the file shows. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { HEADER_ROW_MAX, headerOf, seekHeader, type Sought } from "./header.ts";
import { type Encoding, SEPARATORS, type StatementMapping } from "./mapping.ts";

/** So many bytes of a file hold its header. */
const HEAD_BYTES = 131_072;

export interface Sniffed {
  readonly encoding: Encoding;
  readonly separator: (typeof SEPARATORS)[number];
}

/** Throws `BadStatementError` when the file has no header of the mapping, whatever stands between its fields. */
export async function sniff(file: string, mapping: StatementMapping, asked?: Encoding): Promise<Sniffed> {
  const head = await headOf(file);
  const said = asked ?? (mapping.encoding === "auto" ? undefined : mapping.encoding);
  const encoding = said ?? (isUtf16le(head) ? "utf-16le" : (await isUtf8(file)) ? "utf-8" : "gb18030");
  const lines = new TextDecoder(encoding).decode(head).split(/\r\n|\n|\r/, HEADER_ROW_MAX);
  const candidates = mapping.separator === "auto" ? SEPARATORS : [mapping.separator];
  let best: Sought | undefined;
  let separator: Sniffed["separator"] = candidates[0];
  for (const candidate of candidates)
    for (const line of lines) {
      const sought = seekHeader(cellsOf(line, candidate), mapping);
      if (best !== undefined && best.missing.length <= sought.missing.length) continue;
      best = sought;
      separator = candidate;
    }
  if (best !== undefined && best.missing.length > 0) headerOf(best, 1);
  return { encoding, separator };
}

/** Whether a file begins with this line. One that cannot be read begins with nothing. */
export async function beginsWith(file: string, line: string): Promise<boolean> {
  const head = await headOf(file).catch(() => new Uint8Array());
  return /^\uFEFF?(.*)\r?\n/.exec(new TextDecoder("utf-8", { ignoreBOM: true }).decode(head))?.[1] === line;
}

async function headOf(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function isUtf16le(head: Uint8Array): boolean {
  return head[0] === 0xff && head[1] === 0xfe;
}

/** Of the whole file: what looks like ASCII at first may be GB 18030 in its last row. */
async function isUtf8(file: string): Promise<boolean> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) decoder.decode(chunk, { stream: true });
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** One line by itself; one that is no row of fields is no header. */
function cellsOf(line: string, separator: string): readonly string[] {
  try {
    return (parse(line, { delimiter: separator, relax_quotes: true, relax_column_count: true }) as string[][])[0] ?? [];
  } catch {
    return [];
  }
}
