/**
 * Lists of values that may grow. A reader takes a value that it does not know as `unknown`, so that the event is not lost
 * to it; a writer is held to the list by its type.
 *
 * Not for a value that says what is to be done: a record whose value of a {@link v.picklist} is unknown is refused as a
 * whole, and goes to the dead letters.
 */
import * as v from "valibot";
import { EXTENSIBLE } from "../../core/protocol/json-schema.ts";

export const UNKNOWN = "unknown";

/** What a reader sees of a list; {@link v.InferInput} is what a writer may write. */
export type OpenList<T extends string> = v.GenericSchema<T, T | typeof UNKNOWN>;

/** @example v.parse(openList(["a", "b"]), "c") // "unknown" */
export function openList<const T extends readonly string[]>(values: T): OpenList<T[number]> {
  const description = "may grow: a reader takes a value that it does not know as `unknown`";
  const read = v.pipe(
    v.string(),
    v.metadata({ description, [EXTENSIBLE]: values }),
    v.transform((value): T[number] | typeof UNKNOWN => (values.includes(value) ? value : UNKNOWN)),
  );
  // What it accepts is wider than what a writer's type lets through.
  return read as unknown as OpenList<T[number]>;
}

/** The fields of an object that are such lists. */
export function openFields(schema: v.GenericSchema): readonly string[] {
  if (!("entries" in schema) || typeof schema.entries !== "object" || schema.entries === null) return [];
  return Object.entries(schema.entries as Readonly<Record<string, v.GenericSchema>>).flatMap(([name, field]) =>
    EXTENSIBLE in v.getMetadata(field) ? [name] : [],
  );
}
