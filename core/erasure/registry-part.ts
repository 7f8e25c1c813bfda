/**
 * The core's own database under an erasure order: the order's row, the person, and the registry log. Each function is one
 * item of a desk, so that it sees and changes rows without races.
 */
import { placeholders, textOf, textOrNull } from "../rows.ts";
import type { Batch, DeskDecision, Registry } from "../registry.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import type { Statement } from "../../migrations/database.ts";
import { ACCEPTED_AGE_MS_MAX } from "../access/registration.ts";
import { destruction, erasureParts, fieldsOf } from "./commitments.ts";
import type { ErasureOrder, ErasureRefusal } from "./order.ts";

/**
 * - closing: nothing new is granted to the person; what is under way ends.
 * - erasing: the person is nobody any more; entries still commit to values that are kept.
 * - erased: nothing is kept; the files may still hold bytes of deleted rows.
 * - done: the files were written anew.
 */
export type ErasureState = "closing" | "erasing" | "erased" | "done";

export interface OpenOrder {
  readonly order: Omit<ErasureOrder, "person">;
  readonly state: ErasureState;
  /** Until erased. */
  readonly personId: string | undefined;
  readonly pseudonym: string | undefined;
  readonly settlements: readonly string[];
}

export type ErasureItem =
  | { readonly do: "begin"; readonly order: ErasureOrder }
  | { readonly do: "forget"; readonly orderId: string; readonly personId: string }
  | { readonly do: "note"; readonly orderId: string; readonly settlements: readonly string[] }
  | { readonly do: "destroy"; readonly order: OpenOrder["order"]; readonly committed: string }
  | { readonly do: "finish"; readonly orderId: string };

export type ErasureStep = Result<"stepped", ErasureRefusal>;

export function decideErasures(registry: Registry): DeskDecision<ErasureItem, ErasureStep> {
  return async (items, batch) => {
    const steps: ErasureStep[] = [];
    // One at a time: two orders about one person in one batch must see each other.
    for (const item of items)
      steps.push(steps.length > 0 && item.do === "begin" ? refused("orderOpen") : await decide(registry, item, batch));
    return steps.map((step) => () => step);
  };
}

async function decide(registry: Registry, item: ErasureItem, batch: Batch): Promise<ErasureStep> {
  switch (item.do) {
    case "begin":
      return await begin(registry, item.order, batch);
    case "forget":
      batch.write(() => [...forgetPerson(item.personId, batch.atMs), moveTo("erasing", item.orderId)]);
      return ok("stepped");
    case "note":
      batch.write(() => [
        { sql: "UPDATE erasure SET settlements=? WHERE order_id=?", args: [JSON.stringify(item.settlements), item.orderId] },
      ]);
      return ok("stepped");
    case "destroy": {
      const fields = await fieldsOf(registry.db, item.committed);
      const parts = erasureParts(item.order, fields).map((part) => ({ ...part, entry: batch.append(part.draft) }));
      // After an order for records alone nothing is left to name, and still a person goes.
      if (parts.length === 0 && item.order.scope === "person") batch.append(forgotten(item.order));
      batch.write((positionOf) => [
        ...parts.flatMap((part) => destruction(part, positionOf(part.entry).index)),
        {
          // Somebody who stays registered is still told from others by the order's repetition.
          sql: "UPDATE erasure SET state='erased', person_id=iif(scope='records', person_id, NULL), pseudonym=NULL, settlements=NULL, erased_at_ms=? WHERE order_id=?",
          args: [batch.atMs, item.order.order],
        },
      ]);
      return ok("stepped");
    }
    case "finish":
      batch.write(() => [moveTo("done", item.orderId)]);
      return ok("stepped");
  }
}

function forgotten({ order, by, approvedBy, ground, scope }: OpenOrder["order"]): LeafDraft {
  const facts = { approvedBy, ground, scope };
  return { kind: "erasure.person.forgotten", outcome: "accepted", actor: `operator/${by}`, subject: order, facts };
}

function moveTo(state: ErasureState, orderId: string): Statement {
  return { sql: "UPDATE erasure SET state=? WHERE order_id=?", args: [state, orderId] };
}

/** Validate, find, check, and then nothing fails. That one person ordered and approved is an entry; it is no slip. */
async function begin(registry: Registry, order: ErasureOrder, batch: Batch): Promise<ErasureStep> {
  const { by, approvedBy, ground, scope } = order;
  if (by === approvedBy) {
    const facts = { approvedBy, ground, scope };
    batch.append({ kind: "erasure.refused", outcome: "refused", code: "samePerson", actor: `operator/${by}`, subject: order.order, facts });
    return refused("samePerson");
  }
  const personId = await personOf(registry, order);
  const known = await readOrder(registry, order.order);
  if (known !== undefined) {
    const isSame =
      known.order.by === by && known.order.approvedBy === approvedBy && known.order.ground === ground && known.order.scope === scope;
    // Whoever is found now is not the one who was erased.
    const isTheirs = personId === undefined || known.personId === personId;
    return isSame && isTheirs ? ok("stepped") : refused("orderConflict");
  }
  if (personId === undefined) return refused("personUnknown");
  const [other] = await registry.db.read("SELECT 1 AS found FROM erasure WHERE person_id=? AND state IN ('closing', 'erasing')", personId);
  if (other !== undefined) return refused("orderOpen");
  // From here nothing fails.
  batch.write(() => [
    {
      sql: `INSERT INTO erasure (order_id, ordered_by, approved_by, ground, scope, state, person_id, pseudonym, asked_at_ms)
        SELECT ?, ?, ?, ?, ?, ?, person_id, pseudonym, ? FROM person WHERE person_id=?`,
      args: [order.order, by, approvedBy, ground, scope, scope === "person" ? "closing" : "erasing", batch.atMs, personId],
    },
    ...(scope === "person" ? close(personId) : []),
  ]);
  return ok("stepped");
}

/** Codes that are out are taken back, so that edges hear of it. */
function close(personId: string): readonly Statement[] {
  return [
    { sql: "UPDATE person SET closing=1 WHERE person_id=?", args: [personId] },
    { sql: "UPDATE code_token SET state='REVOKED' WHERE person_id=? AND state='ISSUED'", args: [personId] },
  ];
}

/** Everything that names the person or leads to one; of codes taken back only that they were, while an edge may still meet them. */
function forgetPerson(personId: string, atMs: number): readonly Statement[] {
  const ofPerson = (table: string): Statement => ({ sql: `DELETE FROM ${table} WHERE person_id=?`, args: [personId] });
  return [
    { sql: "DELETE FROM credential_use WHERE visit_id IN (SELECT visit_id FROM visit WHERE person_id=?)", args: [personId] },
    {
      sql: "UPDATE code_token SET person_id='', visit_id=NULL WHERE person_id=? AND state='REVOKED' AND expires_at_ms>=?",
      args: [personId, atMs - ACCEPTED_AGE_MS_MAX],
    },
    { sql: "UPDATE erasure SET person_id=NULL WHERE person_id=? AND state IN ('erased', 'done')", args: [personId] },
    ...["code_token", "visit", "binding", "person_document", "person"].map(ofPerson),
  ];
}

async function personOf(registry: Registry, { person }: ErasureOrder): Promise<string | undefined> {
  const sql =
    person.by === "document"
      ? "SELECT person_id FROM person_document WHERE fingerprint=?"
      : "SELECT person_id FROM binding WHERE kind='app' AND state='ACTIVE' AND fingerprint=?";
  const [row] = await registry.db.read(sql, person.fingerprint);
  return row === undefined ? undefined : textOf(row, "person_id");
}

const STATES: readonly ErasureState[] = ["closing", "erasing", "erased", "done"];

export async function readOrder(registry: Registry, orderId: string): Promise<OpenOrder | undefined> {
  const [order] = await readOrders(registry, "order_id=?", orderId);
  return order;
}

/** Orders that were begun and did not end. */
export async function openOrders(registry: Registry): Promise<readonly OpenOrder[]> {
  return await readOrders(registry, "state<>'done'");
}

async function readOrders(registry: Registry, where: string, ...args: readonly string[]): Promise<readonly OpenOrder[]> {
  const rows = await registry.db.read(`SELECT * FROM erasure WHERE ${where} ORDER BY asked_at_ms, order_id`, ...args);
  return rows.map((row) => {
    const state = STATES.find((one) => one === textOf(row, "state"));
    if (state === undefined) throw new Error("an erasure in no known state");
    return {
      order: {
        order: textOf(row, "order_id"),
        by: textOf(row, "ordered_by"),
        approvedBy: textOf(row, "approved_by"),
        ground: textOf(row, "ground") as ErasureOrder["ground"],
        scope: textOf(row, "scope") as ErasureOrder["scope"],
      },
      state,
      personId: textOrNull(row, "person_id"),
      pseudonym: textOrNull(row, "pseudonym"),
      settlements: JSON.parse(textOrNull(row, "settlements") ?? "[]") as readonly string[],
    };
  });
}

/** `institution/outTradeNo` of every payment and refund that the vault opened the person's accounts for. */
export async function transactionsOf(registry: Registry, personId: string): Promise<readonly string[]> {
  const steps = ["settlement", "refund"];
  const rows = await registry.db.read(
    `SELECT DISTINCT u.transaction_id FROM credential_use u JOIN visit v ON v.visit_id=u.visit_id
     WHERE v.person_id=? AND u.step IN ${placeholders(steps)}`,
    personId,
    ...steps,
  );
  return rows.map((row) => textOf(row, "transaction_id"));
}
