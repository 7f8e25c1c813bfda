/** Text in GB 18030, as files of banks are; platforms only decode it, so the table is the decoder's, turned round. */
const BYTES = new Map<string, readonly number[]>();
for (let lead = 0x81; lead <= 0xfe; lead++)
  for (let trail = 0x40; trail <= 0xfe; trail++) {
    if (trail === 0x7f) continue;
    const letter = new TextDecoder("gb18030").decode(Uint8Array.of(lead, trail));
    if ([...letter].length === 1 && letter !== "\uFFFD") BYTES.set(letter, [lead, trail]);
  }

/** Throws at a character that takes four bytes. */
export function gb18030(text: string): Uint8Array {
  return Uint8Array.from(
    [...text].flatMap((letter) => {
      const code = letter.codePointAt(0) ?? 0;
      const bytes = code < 0x80 ? [code] : BYTES.get(letter);
      if (bytes === undefined) throw new RangeError("not one of the two-byte characters");
      return bytes;
    }),
  );
}

/** With its byte order mark, as spreadsheets save "Unicode text". */
export function utf16le(text: string): Uint8Array {
  return Buffer.from(`\uFEFF${text}`, "utf16le");
}
