/**
 * How a test reaches an edge's ports in another process: one POST per call, arguments and answer as JSON, with bytes and
 * big integers tagged.
 */
type Call = { readonly port: "state" | "results" | "outbox" | "inside"; readonly method: string; readonly args: readonly unknown[] };

export function pack(value: unknown): string {
  return JSON.stringify({ value }, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return { $bytes: [...inner] };
    return typeof inner === "bigint" ? { $int: String(inner) } : inner;
  });
}

export function unpack(text: string): unknown {
  const parsed = JSON.parse(text, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null) return inner;
    if ("$bytes" in inner) return new Uint8Array(inner.$bytes as number[]);
    return "$int" in inner ? BigInt(String(inner.$int)) : inner;
  }) as { value?: unknown };
  return parsed.value;
}

export type Ports = Readonly<Partial<Record<Call["port"], object>>>;

/** The other process's side: an app that answers calls on its ports. */
export function answering(ports: () => Promise<Ports> | Ports): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      const { port, method, args } = unpack(await request.text()) as Call;
      const target = (await ports())[port] as Record<string, (...args: readonly unknown[]) => unknown> | undefined;
      if (target?.[method] === undefined) throw new Error(`no ${port}.${method} here`);
      return new Response(pack(await target[method](...args)));
    } catch (error) {
      return new Response(error instanceof Error ? error.message : "?", { status: 500 });
    }
  };
}

/** The test's side. A failure there is a rejection here, with the same message. */
export async function call(url: string, port: Call["port"], method: string, args: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, { method: "POST", body: pack({ port, method, args }) });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return unpack(text);
}
