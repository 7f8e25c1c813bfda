import { expect, test } from "vitest";
import { DeadLetterNotes } from "./dead-letter-notes.ts";

test("the first dead letter of a topic and reason is told at once, and those after it once per span with their number", () => {
  const told: unknown[] = [];
  let nowMs = 0;
  const notes = new DeadLetterNotes(
    (_, __, { topic, reason, records }) => void told.push([topic, reason, records]),
    "fraud/1",
    () => nowMs,
  );
  for (let n = 0; n < 5; n++) notes.add("a.v1", "timeAhead");
  notes.add("a.v1", "notJson", 40);
  nowMs = 60_000;
  notes.add("a.v1", "timeAhead");
  notes.add("a.v1", "timeAhead");
  expect(told).toEqual([
    ["a.v1", "timeAhead", 1],
    ["a.v1", "notJson", 40],
    ["a.v1", "timeAhead", 5],
  ]);
});
