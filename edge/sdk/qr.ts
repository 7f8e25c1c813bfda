/** QR symbols of codes: a matrix for whoever draws by itself, and SVG text for a page. */
import { create } from "qrcode";

export interface QrMatrix {
  /** Modules on a side, without the quiet zone. */
  readonly size: number;
  isDark(row: number, column: number): boolean;
}

/** The quiet zone that ISO/IEC 18004 asks for, in modules. */
const QUIET = 4;

/**
 * Error correction M: a scanner at a counter reads through a scratch or a reflection, and a signed code still fits a
 * symbol that a phone shows at three pixels a module.
 */
export function qrMatrix(text: string): QrMatrix {
  const { modules } = create(text, { errorCorrectionLevel: "M" });
  const { size } = modules;
  return {
    size,
    isDark(row, column) {
      if (row < 0 || column < 0 || row >= size || column >= size)
        throw new RangeError(`no module ${row}, ${column} in a symbol of ${size}`);
      return modules.get(row, column) !== 0;
    },
  };
}

/**
 * Black on white with its quiet zone, whatever the page's colours are; scales with its box.
 *
 * @param label what a screen reader says instead of the symbol; never the code.
 */
export function qrSvg(text: string, label: string): string {
  const matrix = qrMatrix(text);
  const side = matrix.size + 2 * QUIET;
  const path: string[] = [];
  for (let row = 0; row < matrix.size; row++) {
    for (let column = 0; column < matrix.size;) {
      if (!matrix.isDark(row, column)) {
        column++;
        continue;
      }
      const from = column;
      while (column < matrix.size && matrix.isDark(row, column)) column++;
      path.push(`M${from + QUIET} ${row + QUIET}h${column - from}v1h-${column - from}z`);
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges" role="img" aria-label="${escaped(label)}">` +
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/><path fill="#000" d="${path.join("")}"/></svg>`
  );
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
