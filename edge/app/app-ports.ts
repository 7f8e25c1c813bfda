import type { Shield } from "../../core/protocol/server/shield.ts";
import type { Tracing } from "../../core/protocol/tracing.ts";
import type { EdgePorts } from "../ports.ts";
import type { LinkMonitor } from "./link.ts";

/** What the app adds to what it was given. The core is reached through the link monitor and in no other way. */
export interface AppPorts extends Omit<EdgePorts, "core"> {
  readonly link: LinkMonitor;
  readonly shield: Shield;
  readonly tracing: Tracing;
}
