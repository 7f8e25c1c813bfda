/**
 * Which fields of an event a reader took as unknown. Whoever rests on having read it so keeps their names: a later version
 * that knows the value reads the event as it was read then.
 */
import type * as v from "valibot";
import type { AnyEvent } from "./event.ts";
import { openFields, UNKNOWN } from "./open-list.ts";
import { type TopicContract, TOPICS } from "./topics.ts";

const OPEN: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(TOPICS).flatMap(([topic, contract]: [string, TopicContract]) => {
    const data: v.GenericSchema | undefined = contract.data;
    return data === undefined ? [] : [[topic, openFields(data)] as const];
  }),
);

export function unknownFields({ type, data }: AnyEvent): readonly string[] {
  return (OPEN.get(type) ?? []).filter((name) => Reflect.get(data, name) === UNKNOWN);
}

export function readAs(event: AnyEvent, unknown: readonly string[]): AnyEvent {
  if (unknown.length === 0) return event;
  return { ...event, data: { ...event.data, ...Object.fromEntries(unknown.map((name) => [name, UNKNOWN])) } } as AnyEvent;
}
