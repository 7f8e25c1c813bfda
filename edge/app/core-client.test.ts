import { expect, test } from "vitest";
import { loadCrypto } from "../../core/crypto/index.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { createCoreClient } from "./core-client.ts";

test("however many ask at once whether the core is there, the core is asked once", async () => {
  let asked = 0;
  const answers: ((response: Response) => void)[] = [];
  const core = createCoreClient({
    url: "http://core.example",
    edgeId: "edge-1",
    key: new Uint8Array(32),
    crypto: await loadCrypto(),
    clock: systemClock,
    fetch: () => {
      asked++;
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  const many = Array.from({ length: 50 }, () => core.reachable());
  expect(asked).toBe(1);
  answers.pop()?.(new Response("{}"));
  expect(new Set(await Promise.all(many))).toEqual(new Set([true]));
  const later = core.reachable();
  expect(asked).toBe(2);
  answers.pop()?.(new Response("{}", { status: 503 }));
  expect(await later).toBe(false);
});
