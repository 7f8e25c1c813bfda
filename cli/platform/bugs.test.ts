import { expect, test, vi } from "vitest";
import { reportBug } from "./bugs.ts";

test("a bug is reported by kind and place, never by its message", () => {
  const lines: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  reportBug("edge")(new TypeError("cannot read 510104196205230001"));
  reportBug("core")("510104196205230001");
  write.mockRestore();
  expect(lines[0]).toContain('"bug":"TypeError"');
  expect(lines[0]).toContain("bugs.test.ts");
  expect(lines.join("")).not.toContain("510104");
});
