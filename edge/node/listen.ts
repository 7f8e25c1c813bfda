import type { AddressInfo } from "node:net";
import { serve, type ServerType } from "@hono/node-server";
import type { Listening } from "./libsql-edge.ts";

export type { Listening } from "./libsql-edge.ts";

const IDLE_SWEEP_MS = 20;
/** How long after its last call a server that closes leaves callers to read their answers. */
const LINGER_MS = 500;
/**
 * Hospitals keep their connections between patients. Node's own 5 s would end them: a busy edge takes one new
 * connection per turn of its event loop, so a crowd of callers that all connect anew waits for seconds.
 */
const KEEP_ALIVE_MS = 75_000;

type Fetch = (request: Request) => Response | Promise<Response>;

/** Serves an app over node:http, for the edge and whoever else needs an orderly end; rejects when the address is taken. */
export async function listen(fetch: Fetch, at: { readonly host: string; readonly port: number }): Promise<Listening> {
  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting: ServerType = serve(
      { fetch, hostname: at.host, port: at.port, serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS } },
      () => resolve(starting),
    );
    starting.once("error", reject);
  });
  let underWay = 0;
  let lastEndedMs = performance.now();
  server.on("request", (_, response) => {
    underWay++;
    response.once("close", () => {
      underWay--;
      lastEndedMs = performance.now();
    });
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        // A connection that is kept alive would hold the server open; one whose call just ended becomes idle only now.
        const sweep = setInterval(() => {
          closeIdle(server);
          // One that never asked anything, or that never reads its answer, does not count as idle.
          if (underWay === 0 && performance.now() - lastEndedMs > LINGER_MS) closeAll(server);
        }, IDLE_SWEEP_MS);
        lastEndedMs = performance.now();
        server.close(() => {
          clearInterval(sweep);
          resolve();
        });
        closeIdle(server);
      }),
  };
}

function closeIdle(server: ServerType): void {
  if ("closeIdleConnections" in server) server.closeIdleConnections();
}

function closeAll(server: ServerType): void {
  if ("closeAllConnections" in server) server.closeAllConnections();
}
