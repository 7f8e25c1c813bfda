/** The command line, many commands to one process: for tests that type a lot of them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Ended, environment } from "./process.ts";

const CHILD = fileURLToPath(new URL("shell-child.ts", import.meta.url));

export class Shell {
  readonly #settings: Readonly<Record<string, string>>;
  readonly #child: ChildProcess;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: Readonly<Record<string, string>>) {
    this.#settings = settings;
    this.#child = fork(CHILD, { env: environment(settings), execArgv: [], stdio: "inherit" });
  }

  /** One command after another. */
  run(...args: string[]): Promise<Ended> {
    const ended = this.#turn.then(async () => {
      this.#child.send({ args, settings: this.#settings });
      const [answer] = (await once(this.#child, "message")) as [Ended];
      return answer;
    });
    this.#turn = ended.catch(() => undefined);
    return ended;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, "exit");
    // A command that follows something asks to be told of SIGTERM, and this process then outlives one.
    this.#child.kill("SIGKILL");
    await ended;
  }
}
