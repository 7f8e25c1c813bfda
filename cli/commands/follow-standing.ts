/**
 * Where `ronghe ledger follow` stands in each partition, and where it saw each log. A topic that was deleted and made again,
 * or put back from an older copy, counts its offsets anew from below where it stands, and what comes would pass for what was
 * read: it is read from its first record then, and a log whose newest entry does not come again is missed.
 */
import type { EventBus } from "../../streams/bus/port.ts";
import { countsAnew, type Place as Offset } from "../../streams/beginning.ts";
import type { Place } from "./left-out.ts";

/** As it stands in the state file, by `<topic>/<partition>` and by origin. */
export interface WrittenStanding {
  readonly next: Readonly<Record<string, { readonly offset: string; readonly last: string }>>;
  readonly seen: Readonly<Record<string, { readonly partition: number; readonly missing: boolean }>>;
}

interface Stand extends Offset {
  /** SM3 of the record before `offset`, hex: another one there means that the partition counts anew. */
  readonly last: string;
}

export class Standing {
  /** Partitions that count anew, with the offset that was next in the old count. */
  readonly anew: Offset[] = [];
  readonly #next = new Map<string, Stand>();
  readonly #seen = new Map<string, { readonly partition: number; readonly missing: boolean }>();

  constructor(written?: WrittenStanding) {
    for (const [place, { offset, last }] of Object.entries(written?.next ?? {})) {
      const at = place.lastIndexOf("/");
      this.#next.set(place, { topic: place.slice(0, at), partition: Number(place.slice(at + 1)), offset: BigInt(offset), last });
    }
    for (const [origin, seen] of Object.entries(written?.seen ?? {})) this.#seen.set(origin, seen);
  }

  written(): WrittenStanding {
    return {
      next: Object.fromEntries([...this.#next].map(([place, { offset, last }]) => [place, { offset: offset.toString(), last }])),
      seen: Object.fromEntries(this.#seen),
    };
  }

  /** Offset of the first record that was not read. */
  next(topic: string, partition: number): bigint {
    return this.#next.get(`${topic}/${partition}`)?.offset ?? 0n;
  }

  took({ topic, partition, offset, recordHash }: Place): void {
    this.#next.set(`${topic}/${partition}`, { topic, partition, offset: offset + 1n, last: recordHash });
  }

  /** The newest entry of a log stood there. */
  saw(origin: string, { partition }: Place): void {
    this.#seen.set(origin, { partition, missing: false });
  }

  /** Logs whose newest entry was read once, and is not on the topic that counts anew. */
  missing(): readonly string[] {
    return [...this.#seen].filter(([, { missing }]) => missing).map(([origin]) => origin);
  }

  /**
   * Goes back to the beginning of each partition that counts anew, and says which partitions of the topic `entries` these are.
   * @param hash SM3 of a record's value, hex.
   */
  async look(
    bus: Pick<EventBus, "read" | "endOffsets">,
    entries: string,
    hash: (value: Uint8Array) => string,
  ): Promise<ReadonlySet<number>> {
    const begun = new Set<number>();
    for (const [place, stand] of this.#next) {
      const isAnew = await countsAnew(bus, stand, ({ value }) => Promise.resolve(hash(value) === stand.last));
      if (!isAnew) continue;
      this.#next.delete(place);
      const { topic, partition, offset } = stand;
      this.anew.push({ topic, partition, offset });
      if (topic === entries) begun.add(partition);
    }
    for (const [origin, { partition }] of this.#seen) if (begun.has(partition)) this.#seen.set(origin, { partition, missing: true });
    return begun;
  }
}
