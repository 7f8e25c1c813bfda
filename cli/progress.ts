import { Presets, SingleBar } from "cli-progress";

export interface Progress {
  update(done: number, of: number): void;
  stop(): void;
}

/** A bar on a terminal, nothing elsewhere; on standard error, so that output for machines stays clean. */
export function progressBar(what: string): Progress {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar(
    { format: `{bar} {value}/{total} ${what}`, stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update(done, of) {
      if (!started) bar.start(of, done);
      started = true;
      bar.setTotal(of);
      bar.update(done);
    },
    stop() {
      if (started) bar.stop();
    },
  };
}
