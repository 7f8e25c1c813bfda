/** `ronghe witness …`: for a hospital, insurer, bank or auditor who stands by a log without trusting it. */
import { loadCrypto } from "../../core/crypto/index.ts";
import { printVerifierKey, verifyLogSignature } from "../../ledger/verifier/note.ts";
import { describeQuorum, dishonestEnough } from "../../ledger/verifier/quorum.ts";
import { printSplitView } from "../../ledger/witness/app.ts";
import { openWitnessStore } from "../../ledger/witness/store.ts";
import { openDatabase } from "../../migrations/database.ts";
import type { Config } from "../config.ts";
import { outliveLogs, printText, printErrorLine, printJson } from "../output.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { onStopAsked } from "../platform/stop.ts";
import { initWitness, leaveAnswer, readWitnessKey, readWitnessName, runWitness, witnessLayout, witnessLine } from "../platform/witness.ts";
import { isThere } from "../platform/files.ts";

const STOP_MS_MAX = 10_000;

export async function witnessInit(config: Config, root: string, options: { readonly name: string; readonly url?: string }): Promise<void> {
  const key = await initWitness(config, await loadCrypto(), root, options.name);
  console.log(witnessLine(options.name, key, options.url));
}

/** The line for the policies of those who shall trust this witness. */
export async function witnessKeys(config: Config, root: string, options: { readonly url?: string }): Promise<void> {
  const key = await readWitnessKey(config, await loadCrypto(), root);
  console.log(witnessLine(readWitnessName(witnessLayout(root)), key, options.url));
}

/** Reads a policy as every part of the platform does, and says in words what it asks for. */
export async function witnessPolicy(file: string, options: { readonly json?: boolean }): Promise<void> {
  const crypto = await loadCrypto();
  const policy = await readTrustedKeys(crypto, file);
  const { logs, witnesses } = policy;
  const shown = {
    logs: logs.map((key) => ({
      key: printVerifierKey(key).split("+", 2).join("+"),
      origins: key.origins ?? "every log",
      ...sizesOf(key.sizes),
    })),
    witnesses: witnesses.map(({ name, key, url }) => ({ name, key: printVerifierKey(key).split("+", 2).join("+"), url })),
    wanted: describeQuorum(policy),
    dishonestEnough: dishonestEnough(policy),
    ...(policy.headAgeS === undefined ? {} : { headAgeS: policy.headAgeS }),
    ...(policy.untilMs === undefined ? {} : { until: new Date(Number(policy.untilMs)).toISOString() }),
  };
  const warning = witnesses.length === 0 ? undefined : weakness(shown.dishonestEnough);
  if (options.json === true) return printJson({ ...shown, warnings: warning === undefined ? [] : [warning] });
  for (const log of shown.logs)
    console.log(`log      ${log.key}  ${[log.origins].flat().join(" ")}${"sizes" in log ? `  sizes ${log.sizes}` : ""}`);
  for (const one of shown.witnesses) console.log(`witness  ${one.name}  ${one.key}  ${one.url ?? "(no address)"}`);
  console.log(`wanted   ${shown.wanted}`);
  if (shown.headAgeS !== undefined) console.log(`head-age ${shown.headAgeS} s since the quorum cosigned`);
  if (shown.until !== undefined) console.log(`until    ${shown.until}`);
  if (warning !== undefined) console.log(`WARNING  ${warning}`);
}

/** A quorum is worth as many dishonest witnesses as it withstands. */
function weakness(dishonest: number): string | undefined {
  if (dishonest === 0)
    return "two sets of witnesses without a common member are enough: an operator can have two histories cosigned and nobody need be dishonest. Ask for more than half";
  if (dishonest === 1)
    return "one dishonest witness is enough for two histories: it cosigns both, and the others see one each. Ask for so many that any two sufficient sets share two: all of 2 or 3, 3 of 4, 4 of 5";
  return undefined;
}

function sizesOf(sizes: { readonly first: bigint; readonly last?: bigint } | undefined): { readonly sizes?: string } {
  return sizes === undefined ? {} : { sizes: `${sizes.first}..${sizes.last ?? ""}` };
}

export interface WitnessServeOptions {
  readonly policy?: string;
  readonly port: number;
  readonly peer?: readonly string[];
  readonly proofs?: readonly string[];
  readonly gossipEvery: number;
}

export async function witnessServe(config: Config, root: string, options: WitnessServeOptions): Promise<void> {
  outliveLogs();
  const running = await runWitness({
    config,
    crypto: await loadCrypto(),
    root,
    host: config.RONGHE_HOST,
    port: options.port,
    peers: options.peer ?? [],
    proofs: options.proofs ?? [],
    gossipMs: options.gossipEvery * 1000,
    say,
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  });
  say(witnessLine(readWitnessName(witnessLayout(root)), running.key, running.url));
  say(`witness  ${running.url}   data ${root}   stop with Ctrl-C`);
  await new Promise<void>((resolve) => onStopAsked(() => resolve()));
  setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
  await running.stop();
  process.exit(0);
}

function say(line: string): void {
  printErrorLine(line);
}

/** What this witness found, judged again from the evidence alone; status 1 while something is unanswered. */
export async function witnessCheck(root: string, options: { readonly json?: boolean; readonly policy?: string }): Promise<number> {
  const layout = witnessLayout(root);
  readWitnessName(layout);
  const crypto = await loadCrypto();
  const policyFile = options.policy ?? layout.logs;
  const policy = isThere(policyFile) ? await readTrustedKeys(crypto, policyFile) : undefined;
  const db = await openDatabase({ kind: "witness", file: layout.database, readOnly: true });
  try {
    const store = openWitnessStore(db);
    const [heads, found] = [await store.heads(), await store.splitViews()];
    const isSigned = (note: string): boolean => policy !== undefined && verifyLogSignature(crypto, note, policy.logs).ok;
    const splitViews = found.map((one) => ({
      ...one,
      state: one.acknowledged === undefined ? "open" : "answered",
      bothSignedByTheLog: isSigned(one.ours) && isSigned(one.theirs),
    }));
    const ok = splitViews.every((one) => one.state === "answered");
    if (options.json === true) printJson({ ok, heads: heads.map(({ origin, size }) => ({ origin, size })), splitViews });
    else {
      for (const { origin, size, timeS } of heads)
        console.log(`${origin}  size ${size}  cosigned ${new Date(Number(timeS) * 1000).toISOString()}`);
      for (const one of found)
        printText("", one.acknowledged === undefined ? "OPEN" : `answered by ${one.acknowledged.by}`, ...printSplitView(one).split("\n"));
      console.log(ok ? "no open split view" : "OPEN SPLIT VIEW: this witness cosigns nothing of that log");
    }
    return ok ? 0 : 1;
  } finally {
    await db.close();
  }
}

export async function witnessAcknowledge(
  root: string,
  answer: { readonly id: number; readonly by: string; readonly reason: string },
): Promise<void> {
  readWitnessName(witnessLayout(root));
  await leaveAnswer(root, answer);
  console.log(`left for the witness: it takes the answer to split view ${answer.id} within a second, or when it starts`);
}
