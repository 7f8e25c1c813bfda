/** Texts that somebody hands to a command: regular files of a bounded length, strict UTF-8. What is wrong is one clear line. */
import { readRegularFile, unfitFile, UNREAD_WORDS } from "../../ledger/export/regular-file.ts";
import { utf8Text } from "../../ledger/verifier/bytes.ts";
import { NOTE_BYTES_MAX } from "../../ledger/verifier/note.ts";
import { UsageError } from "../config.ts";

export async function readHandedBytes(file: string, bytesMax: number): Promise<Uint8Array> {
  const read = await readRegularFile(file, bytesMax);
  if (read.ok) return read.bytes;
  throw new UsageError(`${file} ${UNREAD_WORDS[read.why]}${read.why === "tooLong" ? `: more than ${bytesMax} bytes` : ""}`);
}

/** For a file that is read piece by piece, however long it is: refused unless it is one. */
export async function handedFile(file: string): Promise<string> {
  const why = await unfitFile(file);
  if (why === undefined) return file;
  throw new UsageError(`${file} ${UNREAD_WORDS[why]}`);
}

/** Text whose every byte counts: what is not UTF-8 must not be read as something else. */
export async function readHandedText(file: string, bytesMax: number): Promise<string> {
  const text = utf8Text(await readHandedBytes(file, bytesMax));
  if (text === undefined) throw new UsageError(`${file} is not UTF-8 text`);
  return text;
}

/** Signed checkpoints. */
export async function readNotes(files: readonly string[] = []): Promise<readonly string[]> {
  return await Promise.all(files.map((file) => readHandedText(file, NOTE_BYTES_MAX)));
}
