import type { Listening } from "../node/libsql-edge.ts";

/** What is used of Deno's own server (docs.deno.com, `Deno.serve`). */
interface DenoServer {
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Takes no new connection, and resolves when the calls under way are answered. */
  shutdown(): Promise<void>;
  readonly finished: Promise<void>;
}
interface DenoRuntime {
  serve(
    options: { hostname: string; port: number; onListen: () => void; onError: (error: unknown) => Response },
    handler: (request: Request) => Response | Promise<Response>,
  ): DenoServer;
}

declare const Deno: DenoRuntime;

/** Serves an app by `Deno.serve`; rejects when the address is taken, with the address as Node's errors have it. */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  at: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const server = serve(fetch, at);
  const { hostname, port } = server.addr;
  const url = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  return { url, close: () => server.shutdown() };
}

function serve(
  fetch: (request: Request) => Response | Promise<Response>,
  at: { readonly host: string; readonly port: number },
): DenoServer {
  try {
    return Deno.serve(
      {
        hostname: at.host,
        port: at.port,
        // Deno's own greeting would stand among the request lines.
        onListen: () => undefined,
        onError: () => Response.json({ error: "internal" }, { status: 500 }),
      },
      fetch,
    );
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { address: at.host, port: at.port }) : error;
  }
}
