/**
 * Who a connection comes from, by what runtimes give a handler beside the request: the address of the peer. Of IPv6 the
 * network of 64 bits counts, because one caller has all of it. Behind a proxy that is the proxy, and headers about what
 * is behind it are not believed: anybody can write them.
 */
export function peerOf(_request: Request, env: unknown): string | undefined {
  const address = textAt(env, ["incoming", "socket", "remoteAddress"]) ?? textAt(env, ["remoteAddr", "hostname"]);
  return address === undefined ? undefined : networkOf(address);
}

/** @example networkOf("2001:db8:1:2:aaaa::1") // "2001:db8:1:2" */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(":")) return mapped ?? address;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const behind = tail === undefined || tail === "" ? [] : tail.split(":");
  const filled =
    tail === undefined ? groups : [...groups, ...Array<string>(Math.max(0, 8 - groups.length - behind.length)).fill("0"), ...behind];
  return filled.slice(0, 4).join(":");
}

function textAt(value: unknown, path: readonly string[]): string | undefined {
  let at: unknown = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return typeof at === "string" ? at : undefined;
}
