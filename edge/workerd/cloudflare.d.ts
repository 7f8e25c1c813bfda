/** What is used of the Workers runtime (developers.cloudflare.com/workers); its own types would replace those of the DOM. */
declare module "cloudflare:workers" {
  import type { ObjectState } from "./storage.ts";

  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: ObjectState;
    protected readonly env: Env;
    constructor(ctx: ObjectState, env: Env);
    alarm?(): Promise<void> | void;
  }
}
/** Compiled by the bundler. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
/** Kept as text by the bundler (`rules` in `wrangler.toml`). */
declare module "*.sql" {
  const text: string;
  export default text;
}
