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

/** Lines of at most `cells` cells: broken at a space where there is one, else between any two characters; nothing is cut off. */
export function wrapped(text: string, cells: number): readonly string[] {
  return text.split("\n").flatMap((line) => wrapLine(line, cells));
}

function wrapLine(line: string, cells: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  let width = 0;
  for (const character of line) {
    const more = cellsOf(character);
    if (width + more > cells && current !== "") {
      const space = current.lastIndexOf(" ");
      const breaks = character !== " " && space > 0;
      lines.push(breaks ? current.slice(0, space) : current);
      current = breaks ? current.slice(space + 1) : "";
      width = widthOf(current);
      if (character === " ") continue;
    }
    current += character;
    width += more;
  }
  return [...lines, current];
}
