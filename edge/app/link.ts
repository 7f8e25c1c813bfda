/**
 * Whether the core and the bus are there, as calls and background work find out; every call to the core goes this way. A core that did not answer is not
 * waited for again and again: while it is away one call at a time tries it, for a moment, and the others are answered
 * as offline at once.
 */
import type { ErrorName } from "../../core/protocol/errors.ts";
import { refused, type Result } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { Core, EdgePorts } from "../ports.ts";

export interface LinkState {
  readonly core: "there" | "away";
  readonly bus: "there" | "away";
  /** Set while one of them is away: since when, as far as this edge can show. */
  readonly offlineSinceMs?: number;
}

type LinkPorts = Pick<EdgePorts, "clock" | "settings" | "outbox" | "core" | "limits">;

export class LinkMonitor {
  readonly #ports: LinkPorts;
  #seen: { readonly there: boolean; readonly atMs: number } | undefined;
  #thereAtMs = 0;
  #trial: Promise<Result<unknown, ErrorName>> | undefined;
  #probe: Promise<void> | undefined;

  constructor(ports: LinkPorts) {
    this.#ports = ports;
  }

  async resolve(...asked: Parameters<Core["resolve"]>): ReturnType<Core["resolve"]> {
    return await this.#ask((core) => core.resolve(...asked));
  }

  async presettle(...asked: Parameters<Core["presettle"]>): ReturnType<Core["presettle"]> {
    return await this.#ask((core) => core.presettle(...asked));
  }

  async statement(...asked: Parameters<Core["statement"]>): ReturnType<Core["statement"]> {
    return await this.#ask((core) => core.statement(...asked));
  }

  /** Whether the core answers now; who asks meanwhile shares the answer. */
  async reachable(): Promise<boolean> {
    await this.look();
    return this.#seen?.there === true;
  }

  /** The core's answer; `coreUnavailable` at once, or after a moment, while it is away. */
  async #ask<Reply>(call: Call<Reply>): Promise<Result<Reply, ErrorName>> {
    if (!this.#coreAway()) return await this.#noted(call);
    if (this.#trial !== undefined) {
      // A trial may be a call that takes long where all is well.
      this.#look();
      return refused("coreUnavailable");
    }
    const trial = this.#noted(call);
    this.#trial = trial;
    const ended = (): void => {
      this.#trial = undefined;
    };
    trial.then(ended, ended);
    return await within(trial, this.#ports.limits.coreTrialMs);
  }

  /** What is known now; while the core is away, looks in the background whether it is back. */
  state(nowMs: EventMs, orgId?: string): LinkState {
    const core = this.#coreAway() ? "away" : "there";
    const { oldestAgeMs, bus: told } = this.#ports.outbox.backlog(orgId);
    const bus = told ?? (oldestAgeMs >= this.#ports.limits.busAwayMs ? "away" : "there");
    if (core === "away") this.#look();
    // An outage outlives a restart: what waits, and when the last settings came, tell how long it lasts.
    const since = [...(core === "away" ? [this.#coreSince(nowMs)] : []), ...(bus === "away" ? [nowMs - oldestAgeMs] : [])];
    return since.length === 0 ? { core, bus } : { core, bus, offlineSinceMs: Math.min(...since) };
  }

  /** Asks whether the core is there, for people who look. */
  async look(): Promise<void> {
    this.#look();
    await this.#probe;
  }

  async #noted<Reply>(call: Call<Reply>): Promise<Result<Reply, ErrorName>> {
    const answer = await call(this.#ports.core);
    this.#note(answer.ok || answer.error !== "coreUnavailable");
    return answer;
  }

  #look(): void {
    this.#probe ??= this.#ports.core
      .reachable()
      .then((there) => this.#note(there))
      .catch(() => undefined)
      .finally(() => (this.#probe = undefined));
  }

  #note(there: boolean): void {
    const atMs = this.#ports.clock.now();
    this.#seen = { there, atMs };
    if (there) this.#thereAtMs = atMs;
  }

  #coreAway(): boolean {
    const told = this.#ports.settings.state?.().contact;
    if (told !== undefined && (this.#seen === undefined || told.atMs > this.#seen.atMs)) return !told.ok;
    return this.#seen?.there === false;
  }

  #coreSince(nowMs: EventMs): number {
    const takenAtMs = this.#ports.settings.state?.().takenAtMs ?? 0;
    const issuedAtMs = this.#ports.settings.current()?.bundle.issuedAtMs ?? 0;
    return Math.min(nowMs, Math.max(this.#thereAtMs, takenAtMs, issuedAtMs));
  }
}

type Call<Reply> = (core: Core) => Promise<Result<Reply, ErrorName>>;

async function within<Reply>(trial: Promise<Result<Reply, ErrorName>>, ms: number): Promise<Result<Reply, ErrorName>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Result<Reply, ErrorName>>((resolve) => {
    timer = setTimeout(() => resolve(refused<ErrorName>("coreUnavailable")), ms);
  });
  try {
    return await Promise.race([trial, late]);
  } finally {
    clearTimeout(timer);
  }
}
