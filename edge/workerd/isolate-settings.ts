import type { Crypto } from "../../core/crypto/port.ts";
import { viewOf } from "../app/view.ts";
import type { EdgeView, Settings, SettingsState } from "../ports.ts";
import { SETTINGS_NAME, type WorkerEnv } from "./bindings.ts";

/** Isolates ask their settings object again when what they have is older, and answer meanwhile by what they have. */
const SETTINGS_AGE_MS = 5_000;
/** What is older than this is not answered by: after a quiet hour the first call would be judged by what held then. */
const SETTINGS_AGE_MS_MAX = 30_000;

/** The settings as an isolate has them: what the settings object checked and keeps. */
export class IsolateSettings implements Settings {
  readonly #env: WorkerEnv;
  readonly #crypto: Crypto;
  readonly #nowMs: () => number;
  #view: EdgeView | undefined;
  #state: SettingsState = {};
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(env: WorkerEnv, crypto: Crypto, nowMs: () => number) {
    this.#env = env;
    this.#crypto = crypto;
    this.#nowMs = nowMs;
  }

  current(): EdgeView | undefined {
    return this.#view !== undefined && this.#view.bundle.expiresAtMs > this.#nowMs() ? this.#view : undefined;
  }

  state(): SettingsState {
    return this.#state;
  }

  get stale(): boolean {
    return this.current() === undefined || this.#nowMs() - this.#askedAtMs > SETTINGS_AGE_MS;
  }

  /** Asks before an answer that would be judged by nothing, or by too little: a suspension may have been missed. */
  async ensure(): Promise<void> {
    if (this.current() !== undefined && this.#nowMs() - this.#answeredAtMs <= SETTINGS_AGE_MS_MAX) return;
    try {
      await this.refresh();
    } catch (error) {
      // Without an answer, what there is goes on to its end.
      if (this.current() === undefined) throw error;
    }
  }

  async refresh(): Promise<void> {
    const askedAtMs = this.#nowMs();
    this.#askedAtMs = askedAtMs;
    const { SETTINGS } = this.#env;
    const answer = await SETTINGS.get(SETTINGS.idFromName(SETTINGS_NAME)).current(this.#view?.bundle.version);
    this.#answeredAtMs = askedAtMs;
    if (answer.state !== undefined) this.#state = answer.state;
    if (answer.bundle === null) this.#view = undefined;
    else if (answer.bundle !== undefined) this.#view = viewOf(this.#crypto, answer.bundle);
  }
}
