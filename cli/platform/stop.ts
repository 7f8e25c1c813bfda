/** How often to look whether the launcher still lives, ms. */
const LOOK_MS = 500;

/**
 * Calls `stop` once, when the process is asked to end: by Ctrl-C or SIGTERM, or because the `npx` or `npm run` that
 * started it is gone (npm does not pass signals on, and would leave a platform running that nobody sees).
 */
export function onStopAsked(stop: (why: "signal" | "launcher gone") => void): void {
  let asked = false;
  const ask = (why: "signal" | "launcher gone"): void => {
    if (asked) process.exit(130);
    asked = true;
    stop(why);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ask("signal"));
  if (process.env["npm_command"] === undefined) return;
  const launcher = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === launcher) return;
    clearInterval(watch);
    ask("launcher gone");
  }, LOOK_MS);
  watch.unref();
}
