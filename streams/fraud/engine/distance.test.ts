import * as fc from "fast-check";
import { expect, test } from "vitest";
import { distanceMetres } from "./distance.ts";

const half = (angle: number): number => Math.sin(angle / 2) ** 2;

/** The textbook haversine, with the engine's own trigonometry. */
function haversine(a: { latitude: number; longitude: number }, b: { latitude: number; longitude: number }): number {
  const rad = Math.PI / 180e6;
  const h =
    half((b.latitude - a.latitude) * rad) +
    Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * half((b.longitude - a.longitude) * rad);
  return 2 * 6_371_009 * Math.asin(Math.min(1, Math.sqrt(h)));
}
const position = fc.record({
  latitude: fc.integer({ min: -90_000_000, max: 90_000_000 }),
  longitude: fc.integer({ min: -180_000_000, max: 180_000_000 }),
});

test("Hangzhou to Shanghai is 165 km", () => {
  const hangzhou = { latitude: 30_274_100, longitude: 120_155_100 };
  const shanghai = { latitude: 31_230_400, longitude: 121_473_700 };
  expect(distanceMetres(hangzhou, shanghai)).toBeGreaterThan(164_000);
  expect(distanceMetres(hangzhou, shanghai)).toBeLessThan(166_000);
});

test("agrees with the haversine to a metre, everywhere but at the far side of the globe", () => {
  fc.assert(
    fc.property(position, position, (a, b) => {
      const expected = haversine(a, b);
      expect(Math.abs(distanceMetres(a, b) - expected)).toBeLessThanOrEqual(expected > 19_900_000 ? 200 : 1);
    }),
  );
});

test("is the same both ways, and zero at home", () => {
  fc.assert(
    fc.property(position, position, (a, b) => {
      expect(distanceMetres(a, b)).toBe(distanceMetres(b, a));
      expect(distanceMetres(a, a)).toBe(0);
    }),
  );
});
