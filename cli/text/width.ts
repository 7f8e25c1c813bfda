/** Cells of a terminal: East Asian wide and full-width characters take two (UAX 11), combining marks none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u;
const COMBINING = /\p{Mn}|\p{Me}/u;

export function widthOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
}

function cellsOf(character: string): number {
  return COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

export function padded(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - widthOf(text)));
}

/**
 * What no line breaks within: a run of ASCII without a space, which may be a number that somebody copies, or one character
 * of a script without spaces; with what opens before it and what closes behind it.
 */
const UNITS = /[（「『《“(]*(?:[!-~]+|[^\s!-~])[）」』》”)，。、；：！？%]*|\s/gu;

/** Cells of the widest piece of a text that no line breaks within. */
export function unbroken(text: string): number {
  return (text.match(UNITS) ?? []).reduce((widest, unit) => Math.max(widest, widthOf(unit)), 0);
}

/** Lines of at most `cells` cells, but for what is not broken at all and takes more; nothing is cut off. */
export function wrapped(text: string, cells: number): readonly string[] {
  return text.split("\n").flatMap((line) => wrapLine(line, cells));
}

function wrapLine(line: string, cells: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  let width = 0;
  for (const unit of line.match(UNITS) ?? []) {
    const more = widthOf(unit);
    if (width + more > cells && current !== "") {
      lines.push(current.trimEnd());
      current = "";
      width = 0;
      if (unit.trim() === "") continue;
    }
    current += unit;
    width += more;
  }
  return [...lines, current];
}
