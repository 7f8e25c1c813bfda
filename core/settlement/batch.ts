/** What one group commit of a shard gathers, before the log has given it positions and after. */
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { Accepted } from "./acceptance.ts";
import type { Effects, EventDraft } from "./effects.ts";
import type { Settlement } from "./settlement.ts";
import { isTerminal } from "./states.ts";
import { type Account, accountsOf, type Transfer } from "./transfers.ts";

/** A number in the batch's list of leaves. */
type LeafAt = number;

export class Batch {
  readonly leaves: LeafDraft[] = [];
  /** Dead letters: they tell of no settlement, so they wait for no entry. */
  readonly letters: OutboxRecord[] = [];
  readonly nextOffsets: Map<string, bigint> = new Map();
  readonly #opened: Change[] = [];
  readonly #stepped: Change[] = [];
  readonly #conflicts: { readonly conflict: Accepted["conflicts"][number]; readonly leafAt: LeafAt }[] = [];

  /** Adds a step; the answer is the settlement after it, to be asked for once the batch is durable. */
  step(effects: Effects): (indexOf: IndexOf) => readonly Settlement[] {
    const change = this.#change(effects);
    this.#stepped.push(change);
    return (indexOf) => [afterOf(change, indexOf)];
  }

  /** Adds a slice; the answer is what it opened and is still to be carried out. */
  slice(accepted: Accepted): (indexOf: IndexOf) => readonly Settlement[] {
    const changes = accepted.opened.map((effects) => this.#change(effects));
    this.#opened.push(...changes);
    for (const conflict of accepted.conflicts) this.#conflicts.push({ conflict, leafAt: this.#append(conflict.leaf) });
    for (const leaf of accepted.quarantined) this.#append(leaf);
    return (indexOf) =>
      changes.filter(({ effects }) => !isTerminal(effects.after.standing.state)).map((change) => afterOf(change, indexOf));
  }

  /** What earlier slices of this batch opened: not in the database yet, but taken in. */
  get openedSettlements(): readonly Settlement[] {
    return this.#opened.map(({ effects }) => effects.after);
  }

  opened(indexOf: IndexOf): readonly Settlement[] {
    return this.#opened.map((change) => afterOf(change, indexOf));
  }

  stepped(indexOf: IndexOf): readonly Settlement[] {
    return this.#stepped.map((change) => afterOf(change, indexOf));
  }

  transfers(indexOf: IndexOf): readonly (Transfer & { readonly ledgerIndex: bigint })[] {
    return this.#changes().flatMap(({ effects, leafAt }) => {
      if (effects.transfers.length === 0) return [];
      if (leafAt === undefined) throw new Error("money moves only with an entry");
      const ledgerIndex = indexOf(leafAt);
      return effects.transfers.map((transfer) => ({ ...transfer, ledgerIndex }));
    });
  }

  accounts(): readonly Account[] {
    return this.#changes().flatMap(({ effects }) =>
      effects.transfers.length === 0 ? [] : accountsOf(effects.after.institution, effects.after.legs),
    );
  }

  conflicts(indexOf: IndexOf): readonly (Accepted["conflicts"][number] & { readonly ledgerIndex: bigint })[] {
    return this.#conflicts.map(({ conflict, leafAt }) => ({ ...conflict, ledgerIndex: indexOf(leafAt) }));
  }

  /** In the order of their entries, so that no event waits behind one whose entry is younger. */
  events(indexOf: IndexOf): readonly { readonly event: EventDraft; readonly ledgerIndex: bigint }[] {
    const told = [
      ...this.#changes().map(({ effects, leafAt }) => ({ event: effects.event, leafAt })),
      ...this.#conflicts.map(({ conflict, leafAt }) => ({ event: conflict.event, leafAt })),
    ];
    return told
      .flatMap(({ event, leafAt }) => (event === undefined || leafAt === undefined ? [] : [{ event, leafAt }]))
      .sort((a, b) => a.leafAt - b.leafAt)
      .map(({ event, leafAt }) => ({ event, ledgerIndex: indexOf(leafAt) }));
  }

  #changes(): readonly Change[] {
    return [...this.#opened, ...this.#stepped];
  }

  #change(effects: Effects): Change {
    return { effects, leafAt: effects.leaf === undefined ? undefined : this.#append(effects.leaf) };
  }

  #append(leaf: LeafDraft): LeafAt {
    return this.leaves.push(leaf) - 1;
  }
}

/** Ledger index of a leaf of the batch. */
export type IndexOf = (leafAt: LeafAt) => bigint;

interface Change {
  readonly effects: Effects;
  readonly leafAt: LeafAt | undefined;
}

function afterOf(change: Change, indexOf: IndexOf): Settlement {
  const { after } = change.effects;
  return change.leafAt === undefined ? after : { ...after, ledgerIndex: indexOf(change.leafAt) };
}
