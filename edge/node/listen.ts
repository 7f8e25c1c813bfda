import type { AddressInfo, Socket } from "node:net";
import { serve, type ServerType } from "@hono/node-server";
import { networkOf } from "../../core/protocol/server/source.ts";
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

/** Connections that one source may hold open: more than a hospital's pool, fewer than would fill the table of a machine. */
const CONNECTIONS_OF_ONE_MAX = 1_024;
/** Whoever has not sent the head of a request by then, or all of it, is cut off. */
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;

type Fetch = (request: Request, env?: unknown) => Response | Promise<Response>;

export interface ListenAt {
  readonly host: string;
  readonly port: number;
  readonly connectionsOfOneMax?: number;
}

/** Serves an app over node:http, for the edge and whoever else needs an orderly end; rejects when the address is taken. */
export async function listen(fetch: Fetch, at: ListenAt): Promise<Listening> {
  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting: ServerType = serve(
      {
        fetch,
        hostname: at.host,
        port: at.port,
        serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX },
      },
      () => resolve(starting),
    );
    starting.once("error", reject);
  });
  server.on("connection", connectionsBounded(at.connectionsOfOneMax ?? CONNECTIONS_OF_ONE_MAX));
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

/** Cuts off what one source opens beyond its bound, before a byte of it is read. */
function connectionsBounded(max: number): (socket: Socket) => void {
  const open = new Map<string, number>();
  return (socket) => {
    const source = networkOf(socket.remoteAddress ?? "");
    const held = open.get(source) ?? 0;
    if (held >= max) {
      socket.destroy();
      return;
    }
    open.set(source, held + 1);
    socket.once("close", () => {
      const left = (open.get(source) ?? 1) - 1;
      if (left === 0) open.delete(source);
      else open.set(source, left);
    });
  };
}

function closeIdle(server: ServerType): void {
  if ("closeIdleConnections" in server) server.closeIdleConnections();
}

function closeAll(server: ServerType): void {
  if ("closeAllConnections" in server) server.closeAllConnections();
}
