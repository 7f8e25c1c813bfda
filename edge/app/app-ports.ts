import type { Tracing } from "../../core/protocol/tracing.ts";
import type { EdgePorts } from "../ports.ts";
import type { LinkMonitor } from "./link.ts";
import type { Shield } from "./shield.ts";

/** What the app adds to what it was given. */
export interface AppPorts extends EdgePorts {
  readonly link: LinkMonitor;
  readonly shield: Shield;
  readonly tracing: Tracing;
}
