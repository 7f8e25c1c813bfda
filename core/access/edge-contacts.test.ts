import { describe, expect, test } from "vitest";
import { EdgeContacts, ONLINE_DELAY_MS_MAX } from "./edge-contacts.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = 43_200_000;

/** An edge that asks for its settings every 30 s, by a clock that is so far behind. */
function polls(contacts: EdgeContacts, { from, to, behindMs = 0 }: { from: number; to: number; behindMs?: number }): void {
  for (let atMs = from; atMs <= to; atMs += 30_000) contacts.heard("e1", { atMs, saidMs: atMs - behindMs, waitingMs: 0 });
}

describe("what an edge took counts as of", () => {
  test("when it says, while nothing is known of the edge", () => {
    expect(new EdgeContacts().instantOf("e1", NOON - HOUR, NOON)).toBe(NOON - HOUR);
  });

  test("our clock, when its own is slow: as far as its least delayed call shows", () => {
    const contacts = new EdgeContacts();
    for (const late of [900, 20, 3_000]) contacts.heard("e1", { atMs: NOON, saidMs: NOON - 70_000 - late });
    expect(contacts.instantOf("e1", NOON - 70_000, NOON)).toBe(NOON);
    expect(contacts.instantOf("e1", NOON - 80_000, NOON)).toBe(NOON - 80_000 + 70_020);
  });

  test.each([0, 5_000, -70_000])("when it says, when its clock is %d ms behind: within the tolerance, or ahead", (behindMs) => {
    const contacts = new EdgeContacts();
    polls(contacts, { from: NOON - HOUR, to: NOON, behindMs });
    expect(contacts.instantOf("e1", NOON - 4_000, NOON)).toBe(NOON - 4_000);
  });

  test("when it says again, as soon as its clock is set", () => {
    const contacts = new EdgeContacts();
    polls(contacts, { from: NOON - HOUR, to: NOON, behindMs: 70_000 });
    contacts.heard("e1", { atMs: NOON + 1_000, saidMs: NOON + 990 });
    expect(contacts.instantOf("e1", NOON, NOON + 2_000)).toBe(NOON);
  });

  test("when it came, when it is dated long before and the edge was there all the time", () => {
    const contacts = new EdgeContacts();
    polls(contacts, { from: NOON - HOUR, to: NOON });
    expect(contacts.instantOf("e1", NOON - ONLINE_DELAY_MS_MAX, NOON)).toBe(NOON - ONLINE_DELAY_MS_MAX);
    expect(contacts.instantOf("e1", NOON - ONLINE_DELAY_MS_MAX - 1, NOON)).toBe(NOON);
  });

  test("when it says, through an outage, and not before or after it", () => {
    const contacts = new EdgeContacts();
    const [lost, back] = [NOON, NOON + 2 * HOUR];
    polls(contacts, { from: NOON - HOUR, to: lost });
    polls(contacts, { from: back, to: back + 10 * MINUTE });
    const arrived = back + 10 * MINUTE;
    for (const atMs of [lost, lost + HOUR, back]) expect(contacts.instantOf("e1", atMs, arrived)).toBe(atMs);
    for (const atMs of [lost - 10_000, lost - 30 * MINUTE]) expect(contacts.instantOf("e1", atMs, arrived)).toBe(arrived);
    expect(contacts.instantOf("e1", back + 10_000, arrived)).toBe(arrived);
  });

  test("when it says, while its events find no way out although it reaches us, and says so", () => {
    const contacts = new EdgeContacts();
    const stuckAtMs = NOON + 7_000;
    polls(contacts, { from: NOON - HOUR, to: NOON });
    for (let atMs = NOON + 30_000; atMs <= NOON + HOUR; atMs += 30_000)
      contacts.heard("e1", { atMs, saidMs: atMs, waitingMs: atMs - stuckAtMs });
    polls(contacts, { from: NOON + HOUR + 30_000, to: NOON + HOUR + 10 * MINUTE });
    const arrived = NOON + HOUR + 10 * MINUTE;
    for (const atMs of [stuckAtMs, NOON + 30 * MINUTE]) expect(contacts.instantOf("e1", atMs, arrived)).toBe(atMs);
    expect(contacts.instantOf("e1", NOON - 10 * MINUTE, arrived)).toBe(arrived);
  });

  test("calls that say nothing of its events end no absence", () => {
    const contacts = new EdgeContacts();
    polls(contacts, { from: NOON - HOUR, to: NOON });
    contacts.heard("e1", { atMs: NOON + 30 * MINUTE, saidMs: NOON + 30 * MINUTE });
    expect(contacts.instantOf("e1", NOON + 10 * MINUTE, NOON + 40 * MINUTE)).toBe(NOON + 10 * MINUTE);
  });
});
