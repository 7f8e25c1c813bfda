import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { listen } from "./listen.ts";

async function slow(): Promise<Response> {
  await sleep(5);
  return new Response("here");
}

test("an address closes although callers ask again as soon as they are answered", async () => {
  const server = await listen(slow, { host: "127.0.0.1", port: 0 });
  let answered = 0;
  const asking = Array.from({ length: 8 }, async () => {
    for (;;) {
      const text = await fetch(server.url).then(
        (answer) => answer.text(),
        () => undefined,
      );
      if (text === undefined) return;
      answered++;
    }
  });
  await expect.poll(() => answered).toBeGreaterThan(50);
  await server.close();
  await Promise.all(asking);
});

test("one source holds no more connections than its bound; a closed one makes room", async () => {
  const server = await listen(slow, { host: "127.0.0.1", port: 0, connectionsOfOneMax: 3 });
  const port = Number(new URL(server.url).port);
  const held = Array.from({ length: 3 }, () => connect(port, "127.0.0.1"));
  await Promise.all(held.map((socket) => once(socket, "connect")));
  await expect.poll(async () => await fetch(server.url).then(String, () => "cut off")).toBe("cut off");
  held[0]?.destroy();
  await expect
    .poll(
      async () =>
        await fetch(server.url).then(
          (answer) => answer.text(),
          () => "cut off",
        ),
    )
    .toBe("here");
  for (const socket of held) socket.destroy();
  await server.close();
});

test("an address closes although somebody is connected and says nothing", async () => {
  const server = await listen(slow, { host: "127.0.0.1", port: 0 });
  const silent = connect(Number(new URL(server.url).port), "127.0.0.1");
  await once(silent, "connect");
  expect(await (await fetch(server.url)).text()).toBe("here");
  await Promise.all([server.close(), once(silent, "close")]);
});
