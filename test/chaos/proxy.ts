/** A TCP line that a test can cut, slow down, or leave half open. */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export type LineState =
  | { readonly kind: "fine" }
  /** Connections are broken, and new ones refused. */
  | { readonly kind: "cut" }
  /** Every piece comes so much later. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** So many bytes a second. */
  | { readonly kind: "narrow"; readonly bytesPerSecond: number }
  /** Connections stand, and nothing passes: what a dead router looks like. */
  | { readonly kind: "halfOpen" };

export interface Proxy {
  readonly port: number;
  /** Bytes that went through, both ways: whether the line is used at all. */
  carried(): number;
  set(state: LineState): void;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 20;

export async function startProxy(targetPort: number): Promise<Proxy> {
  let state: LineState = { kind: "fine" };
  let carried = 0;
  const sockets = new Set<Socket>();

  /** In order, each piece no sooner than the line allows; waits while nothing passes. */
  async function carry(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        while (state.kind === "halfOpen") await pause(LOOK_EVERY_MS);
        if (state.kind === "slow") await pause(state.delayMs);
        if (state.kind === "narrow") await pause((chunk.length / state.bytesPerSecond) * 1_000);
        carried += chunk.length;
        if (!to.write(chunk)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", () => resolve()));
      }
      to.end();
    } catch {
      to.destroy();
    }
  }

  const server: Server = createServer((near) => {
    if (state.kind === "cut") {
      near.destroy();
      return;
    }
    const far = connect({ host: "127.0.0.1", port: targetPort });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    void carry(near, far);
    void carry(far, near);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    carried: () => carried,
    set(next) {
      state = next;
      if (next.kind === "cut") breakAll();
    },
    async close() {
      state = { kind: "cut" };
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
