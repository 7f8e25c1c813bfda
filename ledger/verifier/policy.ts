/**
 * What an auditor trusts, as one small text: keys of logs, each with the logs and sizes it may speak for, witnesses,
 * and which of them must have cosigned (`FORMAT.md` section 7).
 */
import { equalBytes, isLonger, isName, parseDecimal, TIME_MS_MAX } from "./bytes.ts";
import {
  asPolicy,
  parseVerifierKey,
  parseWitnessKey,
  type Policy,
  printVerifierKey,
  type SizeRange,
  type Trust,
  type TrustedKey,
  type Witness,
} from "./note.ts";
import type { WitnessGroup } from "./quorum.ts";
import type { Hash } from "./tree.ts";
import { type Checked, failed, passed } from "./verdict.ts";

export const POLICY_BYTES_MAX = 256 * 1024;
const WITNESSES_MAX = 64;
const GROUPS_MAX = 64;
/** Says that nobody has to cosign, and so is no name. */
const NONE = "none";

/**
 * Reads a policy. Empty lines and lines that begin with `#` are for people; every other line has one spelling, single
 * blanks between its words, and is refused when it is not wholly understood, so that a policy of a later version is never
 * half understood.
 */
export function parsePolicy(hash: Hash, text: string): Checked<Policy> {
  if (isLonger(text, POLICY_BYTES_MAX)) return failed("policyMalformed", "the policy is too long");
  if (text.startsWith("\ufeff")) return failed("policyMalformed", "the policy begins with a byte order mark");
  if (!text.endsWith("\n")) return failed("policyMalformed", "the last line does not end with a newline: the policy may be cut off");
  const draft = new Draft(hash);
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    // eslint-disable-next-line no-control-regex -- what no line may hold
    if (/[\x00-\x1f\x7f]/.test(line) || !line.isWellFormed())
      return failed("policyMalformed", `line ${at + 1}: it holds a control character`);
    if (line === "" || line.startsWith("#")) continue;
    const trouble = draft.take(line.split(" "));
    if (trouble !== undefined) return failed("policyMalformed", `line ${at + 1}: ${trouble}`);
  }
  return draft.finish();
}

/** A policy while its lines are read. Each line gives what is wrong with it, or nothing. */
class Draft {
  readonly #hash: Hash;
  readonly #logs: TrustedKey[] = [];
  readonly #witnesses: Witness[] = [];
  readonly #groups: WitnessGroup[] = [];
  readonly #members = new Set<string>();
  #quorum: string | undefined;
  #headAgeS: bigint | undefined;
  #untilMs: bigint | undefined;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  take([word, ...words]: readonly string[]): string | undefined {
    if (word === "log") return this.#log(words);
    if (word === "witness") return this.#witness(words);
    if (word === "group") return this.#group(words);
    if (word === "quorum") return this.#quorumLine(words);
    if (word === "head-age") return this.#headAge(words);
    if (word === "until") return this.#until(words);
    return "no line begins so: log, witness, group, quorum, head-age, until, one blank between words";
  }

  finish(): Checked<Policy> {
    if (this.#logs.length === 0) return failed("policyMalformed", "the policy names no key of a log");
    if (this.#quorum === undefined && this.#witnesses.length > 0)
      return failed("policyMalformed", "the policy names witnesses and has no quorum line");
    const ourselves = this.#witnesses.find(({ key }) => this.#logs.some((log) => equalBytes(log.publicKey, key.publicKey)));
    if (ourselves !== undefined) return failed("policyMalformed", `the witness ${ourselves.name} has the key of a log`);
    const rule = this.#quorum === undefined || this.#quorum === NONE ? {} : { quorum: this.#quorum };
    if (this.#headAgeS !== undefined && rule.quorum === undefined)
      return failed("policyMalformed", "only witnesses tell the age of a head: head-age needs a quorum");
    const times = {
      ...(this.#headAgeS === undefined ? {} : { headAgeS: this.#headAgeS }),
      ...(this.#untilMs === undefined ? {} : { untilMs: this.#untilMs }),
    };
    return passed({ logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, ...rule, ...times });
  }

  /** `head-age <seconds>` */
  #headAge([text = "", ...more]: readonly string[]): string | undefined {
    const seconds = parseDecimal(text);
    if (this.#headAgeS !== undefined || more.length > 0 || seconds === undefined || seconds === 0n || seconds > TIME_MS_MAX / 1000n)
      return "wanted one `head-age <seconds>`";
    this.#headAgeS = seconds;
    return undefined;
  }

  /** `until <yyyy-mm-dd>T<hh:mm:ss>Z` */
  #until([text = "", ...more]: readonly string[]): string | undefined {
    const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) ? Date.parse(text) : Number.NaN;
    if (this.#untilMs !== undefined || more.length > 0 || Number.isNaN(ms) || printInstant(BigInt(ms)) !== text)
      return "wanted one `until <yyyy-mm-dd>T<hh:mm:ss>Z`";
    this.#untilMs = BigInt(ms);
    return undefined;
  }

  /** `log [<first>..[<last>]] <verifier key> [<origin> …]` */
  #log(words: readonly string[]): string | undefined {
    const sizes = words[0]?.includes("+") === true ? undefined : sizesOf(words[0] ?? "");
    const [keyText = "", ...origins] = words[0]?.includes("+") === true ? words : words.slice(1);
    if (words[0]?.includes("+") !== true && sizes === undefined) return "wanted `log [<first>..<last>] <verifier key> [<origin> …]`";
    if (!origins.every(isName)) return "an origin is visible ASCII without a plus sign, one blank between two";
    if (sizes !== undefined && origins.length !== 1) return "sizes stand with one origin: every log counts its own";
    const key = parseVerifierKey(this.#hash, keyText);
    if (!key.ok) return key.error.detail;
    this.#logs.push({ ...key.value, ...(origins.length === 0 ? {} : { origins }), ...(sizes === undefined ? {} : { sizes }) });
    return undefined;
  }

  /** `witness <name> <witness key> [<url>]` */
  #witness([name = "", keyText = "", url, ...more]: readonly string[]): string | undefined {
    if (more.length > 0 || (url !== undefined && !isUrl(url))) return "wanted `witness <name> <witness key> [<url>]`";
    if (this.#witnesses.length === WITNESSES_MAX) return `more than ${WITNESSES_MAX} witnesses`;
    const key = parseWitnessKey(this.#hash, keyText);
    if (!key.ok) return key.error.detail;
    if (this.#witnesses.some((other) => equalBytes(other.key.publicKey, key.value.publicKey))) return "two witnesses have one key";
    const trouble = this.#nameTrouble(name);
    if (trouble === undefined) this.#witnesses.push({ name, key: key.value, ...(url === undefined ? {} : { url }) });
    return trouble;
  }

  /** `group <name> <k>|any|all <member> …` */
  #group([name = "", count = "", ...members]: readonly string[]): string | undefined {
    const threshold = count === "any" ? 1 : count === "all" ? members.length : Number(parseDecimal(count) ?? 0n);
    if (members.length === 0 || threshold < 1 || threshold > members.length) return "wanted `group <name> <k>|any|all <member> …`";
    if (this.#groups.length === GROUPS_MAX) return `more than ${GROUPS_MAX} groups`;
    for (const member of members) {
      if (!this.#isKnown(member)) return "a group has members that are named on lines before it";
      if (this.#members.has(member)) return `${member} is a member twice`;
      this.#members.add(member);
    }
    const trouble = this.#nameTrouble(name);
    if (trouble === undefined) this.#groups.push({ name, threshold, members });
    return trouble;
  }

  /** `quorum <name>|none` */
  #quorumLine([name = "", ...more]: readonly string[]): string | undefined {
    if (this.#quorum !== undefined) return "a second quorum";
    if (more.length > 0 || (name !== NONE && !this.#isKnown(name))) return "wanted `quorum <name>|none`, the name on a line before it";
    this.#quorum = name;
    return undefined;
  }

  #nameTrouble(name: string): string | undefined {
    if (!isName(name) || name === NONE) return "a name is visible ASCII without a plus sign, and not `none`";
    return this.#isKnown(name) ? `${name} is named twice` : undefined;
  }

  #isKnown(name: string): boolean {
    return [...this.#witnesses, ...this.#groups].some((known) => known.name === name);
  }
}

function sizesOf(text: string): SizeRange | undefined {
  const [firstText = "", lastText = "", ...more] = text.split("..");
  const first = parseDecimal(firstText);
  const last = parseDecimal(lastText);
  if (first === undefined || more.length > 0 || !text.includes("..") || (lastText !== "" && (last === undefined || last < first)))
    return undefined;
  return last === undefined ? { first } : { first, last };
}

function printInstant(ms: bigint): string {
  return new Date(Number(ms)).toISOString().replace(".000Z", "Z");
}

function isUrl(text: string): boolean {
  return /^https?:\/\/[\x21-\x7e]{1,500}$/.test(text);
}

/** The line of one key of a log. */
export function printLogLine(key: TrustedKey): string {
  const sizes = key.sizes === undefined ? [] : [`${key.sizes.first}..${key.sizes.last ?? ""}`];
  return ["log", ...sizes, printVerifierKey(key), ...(key.origins ?? [])].join(" ");
}

/** The text that {@link parsePolicy} reads back, with a line that says what the others mean. */
export function printPolicy(trust: Trust): string {
  const policy = asPolicy(trust);
  const lines = policy.logs.map(printLogLine);
  const witnesses = policy.witnesses.map(({ name, key, url }) =>
    ["witness", name, printVerifierKey(key), ...(url === undefined ? [] : [url])].join(" "),
  );
  const groups = policy.groups.map(({ name, threshold, members }) => ["group", name, threshold, ...members].join(" "));
  const quorum = policy.quorum === undefined && policy.witnesses.length === 0 ? [] : [`quorum ${policy.quorum ?? NONE}`];
  const title = "# Keys trusted to sign checkpoints: log <name>+<id>+<key> [<origin> ...]";
  const times = [
    ...(policy.headAgeS === undefined ? [] : [`head-age ${policy.headAgeS}`]),
    ...(policy.untilMs === undefined ? [] : [`until ${printInstant(policy.untilMs)}`]),
  ];
  return [title, ...lines, ...witnesses, ...groups, ...quorum, ...times, ""].join("\n");
}
