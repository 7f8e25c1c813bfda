/** Which sets of witnesses are enough: named groups of k out of n, one of them (or one witness) the quorum (`FORMAT.md` section 7). */

export interface WitnessGroup {
  readonly name: string;
  /** How many members must have cosigned, 1 up to all of them. */
  readonly threshold: number;
  /** Witnesses and groups that were named before. Each name is a member of one group at most, so that nobody counts twice. */
  readonly members: readonly string[];
}

export interface QuorumRule {
  readonly groups: readonly WitnessGroup[];
  /** The witness or group that must have cosigned; nobody has to when it is absent. */
  readonly quorum?: string;
}

/** Whether the witnesses that cosigned are enough. */
export function meetsQuorum({ groups, quorum }: QuorumRule, cosigned: ReadonlySet<string>): boolean {
  if (quorum === undefined) return true;
  const met = new Set(cosigned);
  // Groups name only what stands before them, so one pass in order decides all.
  for (const group of groups) if (group.members.filter((member) => met.has(member)).length >= group.threshold) met.add(group.name);
  return met.has(quorum);
}

/** The rule in one line for people: `2 of (hospital, insurer, bank)`. */
export function describeQuorum({ groups, quorum }: QuorumRule): string {
  const words = (name: string): string => {
    const group = groups.find((one) => one.name === name);
    return group === undefined ? name : `${group.threshold} of (${group.members.map(words).join(", ")})`;
  };
  return quorum === undefined ? "no witness" : words(quorum);
}

/**
 * How many witnesses must be dishonest for two histories that each have the quorum: the fewest that any two sufficient sets
 * share. The others, all honest, may each have been shown one history only. k of n gives 2k − n, but never less than 0: two of
 * three fall to a single one, and with k ≤ n/2 nobody need be dishonest at all.
 */
export function dishonestEnough({ groups, quorum }: QuorumRule): number {
  const shared = (name: string): number => {
    const group = groups.find((one) => one.name === name);
    if (group === undefined) return 1;
    // Names stand in one group at most, so that each member can be weighed by itself.
    const overlap = Math.max(0, 2 * group.threshold - group.members.length);
    const cheapest = group.members.map(shared).toSorted((a, b) => a - b);
    return cheapest.slice(0, overlap).reduce((sum, count) => sum + count, 0);
  };
  return quorum === undefined ? 0 : shared(quorum);
}
