import { describe, expect, it } from "vitest";
import { qrMatrix, qrSvg } from "./qr.ts";

const CODE = `${"98FF9F2C".repeat(8)}:0:${"0123456789ABCDEF".repeat(2)}:5101A0001RH98${"a".repeat(98)}`;

describe("a QR symbol", () => {
  it("is drawn as SVG module by module, with four modules of quiet zone", () => {
    const matrix = qrMatrix(CODE);
    const svg = qrSvg(CODE, "付款码");
    expect(svg).toContain(`viewBox="0 0 ${matrix.size + 8} ${matrix.size + 8}"`);
    const dark = [...svg.matchAll(/M(\d+) (\d+)h(\d+)v1/g)].flatMap(([, x, y, length]) =>
      Array.from({ length: Number(length) }, (_, step) => `${Number(y) - 4},${Number(x) - 4 + step}`),
    );
    const expected = [];
    for (let row = 0; row < matrix.size; row++)
      for (let column = 0; column < matrix.size; column++) if (matrix.isDark(row, column)) expected.push(`${row},${column}`);
    expect(dark.sort()).toEqual(expected.sort());
  });

  it("has its finder patterns, and refuses modules outside", () => {
    const matrix = qrMatrix("A");
    expect([0, 6].flatMap((row) => [0, 6, matrix.size - 1].map((column) => matrix.isDark(row, column)))).toEqual(Array(6).fill(true));
    expect(matrix.isDark(7, 7)).toBe(false);
    expect(() => matrix.isDark(matrix.size, 0)).toThrow(RangeError);
  });

  it("never shows its text, and what a screen reader says is escaped", () => {
    const svg = qrSvg(CODE, `"<script>`);
    expect(svg).not.toContain("98FF9F2C");
    expect(svg).not.toContain("<script>");
  });
});
