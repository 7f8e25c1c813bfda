/** What one group commit of a shard gathers, before the log has given it positions and after. */
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { Statement } from "../../migrations/database.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { Accepted } from "./acceptance.ts";
import type { Effects } from "./effects.ts";
import type { EventDraft } from "./events.ts";
import { isLate, type Moment } from "./moment.ts";
import type { BookedTransfer } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { isResting } from "./states.ts";
import { type Account, accountsOf, type Transfer } from "./transfers.ts";

/** A number in the batch's list of leaves. */
export type LeafAt = number;
/** Where a leaf of the batch came to stand. */
export type PositionOf = (leafAt: LeafAt) => LedgerPosition;
/** The answer to a piece of work, to be asked for once the batch is durable. */
export type Planned<T> = (positionOf: PositionOf) => T;

/** Money moved outside the saga: a correction. `late`: it belongs to a day that is sealed. */
export interface Booking {
  readonly accounts: readonly Account[];
  readonly transfers: readonly Transfer[];
  readonly leafAt: LeafAt;
  readonly late?: boolean;
}

export class Batch {
  readonly leaves: LeafDraft[] = [];
  /** Dead letters: they tell of no settlement, so they wait for no entry. */
  readonly letters: OutboxRecord[] = [];
  readonly nextOffsets: Map<string, bigint> = new Map();
  /** Rows of other tables, written after settlements and transfers. */
  readonly rows: ((positionOf: PositionOf) => readonly Statement[])[] = [];
  readonly #moment: Moment;
  readonly #opened: Change[] = [];
  readonly #stepped: Change[] = [];
  readonly #bookings: Booking[] = [];
  readonly #conflicts: { readonly conflict: Accepted["conflicts"][number]; readonly leafAt: LeafAt }[] = [];

  constructor(moment: Moment) {
    this.#moment = moment;
  }

  /** Adds a step; the answer is the settlement after it. */
  step(effects: Effects): Planned<Settlement> {
    const change = this.#change(effects);
    this.#stepped.push(change);
    return (positionOf) => afterOf(change, positionOf);
  }

  /** Adds a slice; the answer is what it opened and is still to be carried out. */
  slice(accepted: Accepted): Planned<readonly Settlement[]> {
    const changes = accepted.opened.map((effects) => this.#change(effects));
    this.#opened.push(...changes);
    for (const conflict of accepted.conflicts) this.#conflicts.push({ conflict, leafAt: this.append(conflict.leaf) });
    return (positionOf) =>
      changes.filter(({ effects }) => !isResting(effects.after.standing.state)).map((change) => afterOf(change, positionOf));
  }

  book(booking: Booking): void {
    this.#bookings.push(booking);
  }

  append(leaf: LeafDraft): LeafAt {
    return this.leaves.push(leaf) - 1;
  }

  /** What earlier slices of this batch opened: not in the database yet, but taken in. */
  get openedSettlements(): readonly Settlement[] {
    return this.#opened.map(({ effects }) => effects.after);
  }

  opened(positionOf: PositionOf): readonly Settlement[] {
    return this.#opened.map((change) => afterOf(change, positionOf));
  }

  stepped(positionOf: PositionOf): readonly Settlement[] {
    return this.#stepped.map((change) => afterOf(change, positionOf));
  }

  transfers(positionOf: PositionOf): readonly BookedTransfer[] {
    const booked: BookedTransfer[] = [];
    for (const { effects, leafAt } of this.#changes()) {
      if (effects.transfers.length === 0) continue;
      if (leafAt === undefined) throw new Error("money moves only with an entry");
      const late = isLate(effects.after.acceptedAtMs, this.#moment);
      const ledgerIndex = positionOf(leafAt).index;
      for (const transfer of effects.transfers) booked.push({ ...transfer, late, ledgerIndex });
    }
    for (const { transfers, leafAt, late = false } of this.#bookings) {
      const ledgerIndex = positionOf(leafAt).index;
      for (const transfer of transfers) booked.push({ ...transfer, late, ledgerIndex });
    }
    return booked;
  }

  accounts(): readonly Account[] {
    const reserved = this.#changes().flatMap(({ effects }) =>
      effects.transfers.some(({ stage }) => stage === "pending") ? accountsOf(effects.after, effects.after.legs) : [],
    );
    return [...reserved, ...this.#bookings.flatMap(({ accounts }) => accounts)];
  }

  conflicts(positionOf: PositionOf): readonly (Accepted["conflicts"][number] & { readonly ledgerIndex: bigint })[] {
    return this.#conflicts.map(({ conflict, leafAt }) => ({ ...conflict, ledgerIndex: positionOf(leafAt).index }));
  }

  /** In the order of their entries, so that no event waits behind one whose entry is younger. */
  events(positionOf: PositionOf): readonly { readonly event: EventDraft; readonly ledgerIndex: bigint }[] {
    const told = [
      ...this.#changes().map(({ effects, leafAt }) => ({ event: effects.event, leafAt })),
      ...this.#conflicts.map(({ conflict, leafAt }) => ({ event: conflict.event, leafAt })),
    ];
    return told
      .flatMap(({ event, leafAt }) => (event === undefined || leafAt === undefined ? [] : [{ event, leafAt }]))
      .sort((a, b) => a.leafAt - b.leafAt)
      .map(({ event, leafAt }) => ({ event, ledgerIndex: positionOf(leafAt).index }));
  }

  #changes(): readonly Change[] {
    return [...this.#opened, ...this.#stepped];
  }

  /** A step's own entry is its last one. */
  #change(effects: Effects): Change {
    let leafAt: LeafAt | undefined;
    for (const leaf of effects.leaves) leafAt = this.append(leaf);
    return { effects, leafAt };
  }
}

interface Change {
  readonly effects: Effects;
  readonly leafAt: LeafAt | undefined;
}

function afterOf(change: Change, positionOf: PositionOf): Settlement {
  const { after } = change.effects;
  return change.leafAt === undefined ? after : { ...after, ledgerIndex: positionOf(change.leafAt).index };
}
