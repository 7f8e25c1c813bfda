/** What every way of starting a broker has in common. */
import { connect, createServer } from "node:net";

/** A real broker for tests, and the power to hurt it. */
export interface TestKafka {
  readonly brokers: readonly string[];
  /** How it was come by, for the test's output. */
  readonly via: string;
  /** `kill -9`, and nothing else: the broker stays away until `start`. `undefined` for a broker that is not ours. */
  readonly kill9: (() => Promise<void>) | undefined;
  /** Starts a killed broker again on the same data and address; resolves once it listens. */
  readonly start: (() => Promise<void>) | undefined;
  /** `kill9`, then `start`. */
  readonly restart: (() => Promise<void>) | undefined;
  stop(): Promise<void>;
}

export interface NoKafka {
  readonly skipped: string;
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits until something accepts connections; throws when `dead` says that nothing ever will. */
export async function listening(host: string, port: number, dead: () => string | undefined): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const reason = dead();
    if (reason !== undefined) throw new Error(reason);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host, port });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing listens on ${host}:${port} after a minute`);
}
