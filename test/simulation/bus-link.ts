/**
 * The bus as a part of its own, and the way to it. A client's consumer joins again whenever the bus starts anew, as
 * Kafka's client does; the real group behind it decides what is delivered, and again.
 */
import type { BusConsumer, EventBus, Slice, SliceControl, SliceHandler, Subscription } from "../../streams/bus/port.ts";
import type { SliceLens } from "../harness/renumbering.ts";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { Trace } from "./chance.ts";
import { currentLife, type Life } from "./life.ts";
import { endOf, type Network, NetworkError, type Reachable } from "./network.ts";

interface Membership {
  readonly client: string;
  readonly life: Life;
  readonly subscription: Subscription;
  readonly handler: SliceHandler;
  readonly crash: (error: unknown) => void;
  left: boolean;
  joined: BusConsumer | undefined;
}

export interface BusHubOptions {
  readonly place: Reachable;
  readonly bus: () => EventBus;
  readonly network: Network;
  readonly trace: Trace;
  readonly die: SeededRandom;
  readonly lens?: SliceLens;
  /** Says of what edges publish that it is kept, and keeps half of it; for a control run. */
  readonly forgets: boolean;
}

export class BusHub {
  readonly #options: BusHubOptions;
  readonly #members = new Set<Membership>();

  constructor(options: BusHubOptions) {
    this.#options = options;
  }

  /** Within the new life of the bus. */
  async started(): Promise<void> {
    for (const member of this.#members) {
      member.joined = undefined;
      await this.#join(member);
    }
  }

  /** The bus as `client` reaches it; asked for within the client's life. */
  linkOf(client: string): EventBus {
    const { network, place, bus, die, forgets } = this.#options;
    const ask = <T>(what: string, work: () => Promise<T>): Promise<T> => network.call(client, place, { kind: "call", what }, work);
    return {
      ensureTopics: () => Promise.resolve(),
      async publish(records) {
        const what = `publish ${[...Map.groupBy(records, ({ topic }) => topic)].map(([topic, of]) => `${topic}×${of.length}`).join(" ")}`;
        if (forgets && client.startsWith("edge") && die.chance(0.5)) return records.map(() => ({ kind: "ok", partition: 0, offset: 0n }));
        try {
          return await network.call(client, place, { kind: "publish", what }, () => bus().publish(records));
        } catch {
          return records.map(() => ({ kind: "retryable", reason: "the bus does not answer" }));
        }
      },
      consume: (subscription, handler) => this.#consume(client, subscription, handler),
      read: (...args) => ask(`read ${args[0]}`, () => bus().read(...args)),
      endOffsets: (topic) => ask(`ends ${topic}`, () => bus().endOffsets(topic)),
      health: () => Promise.resolve({ skewMs: 0, repacked: [] }),
      close: () => Promise.resolve(),
    };
  }

  async #consume(client: string, subscription: Subscription, handler: SliceHandler): Promise<BusConsumer> {
    const life = currentLife();
    if (life === undefined) throw new Error("only a part consumes");
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => undefined);
    const member: Membership = { client, life, subscription, handler, crash: crashed.reject, left: false, joined: undefined };
    this.#members.add(member);
    void life.ended.then(() => this.#leave(member));
    const { place } = this.#options;
    if (place.life?.dead === false) await Promise.race([place.life.run(() => this.#join(member)), place.life.ended]);
    return { crashed: crashed.promise, stop: () => this.#leave(member) };
  }

  async #leave(member: Membership): Promise<void> {
    member.left = true;
    this.#members.delete(member);
    const { life } = this.#options.place;
    const { joined } = member;
    if (joined !== undefined && life?.dead === false) await Promise.race([life.run(() => joined.stop()), life.ended]);
  }

  async #join(member: Membership): Promise<void> {
    const { subscription, life } = member;
    const { position } = subscription;
    const busLife = this.#options.place.life;
    const through: Subscription = {
      ...subscription,
      ...(position === undefined
        ? {}
        : { position: (topic, partition) => Promise.race([life.run(() => position(topic, partition)), endOf(life)]) }),
    };
    const joined = await this.#options.bus().consume(through, (slice, control) => this.#deliver(member, slice, control));
    member.joined = joined;
    joined.crashed.catch((error: unknown) => {
      if (!member.life.dead && busLife?.dead === false && !member.left) member.crash(error);
    });
    if (member.left) await joined.stop();
  }

  async #deliver(member: Membership, slice: Slice, control: SliceControl): Promise<void> {
    const { network, place, trace, die, lens } = this.#options;
    const { client, life, handler } = member;
    if (member.left || life.dead) throw new NetworkError("the consumer is gone");
    if (network.isCut(client, place.name)) throw new NetworkError("the line is cut");
    const shown = lens === undefined || client !== "core" ? slice : lens(slice);
    trace.note(`${place.name} > ${client} ${slice.topic}/${slice.partition} ${slice.records.map(({ offset }) => offset).join(",")}`);
    const own: SliceControl = { heartbeat: () => Promise.resolve(), stopped: () => control.stopped() || life.dead };
    await Promise.race([life.run(() => handler(shown, own)), endOf(life)]);
    if (!die.chance(network.redelivery)) return;
    trace.fault("slice delivered again", `${client} ${slice.topic}/${slice.partition}`);
    throw new NetworkError("handled, and the position was not kept");
  }
}
