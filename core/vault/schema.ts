/** The token vault (JR/T 0149): account bindings, one-use code tokens, visits with their ecToken, uses of both. */
import { blob, index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** A person's account at a payer, or a person's place in an app. Lives for months. */
export const binding = sqliteTable(
  "binding",
  {
    /** Random, 32 hex digits. */
    bindingId: text("binding_id").primaryKey(),
    personId: text("person_id").notNull(),
    /** `insurance`, `commercial`, `bank` or `app`. */
    kind: text("kind").notNull(),
    state: text("state").notNull(),
    /** JSON array, sorted: every party that holds it suspended. */
    suspendedBy: text("suspended_by").notNull(),
    /** Keyed fingerprint of the account, or of app and app user, hex. */
    fingerprint: text("fingerprint").notNull(),
    /** The account, sealed; null for an app, and erased once revoked or expired. */
    account: blob("account", { mode: "buffer" }),
    keyVersion: integer("key_version").notNull(),
    /** Insured area of an insurance account; empty otherwise. */
    insuOrg: text("insu_org").notNull(),
    expiresAtMs: integer("expires_at_ms"),
    changedAtMs: integer("changed_at_ms").notNull(),
  },
  (t) => [index("binding_person").on(t.personId), index("binding_fingerprint").on(t.fingerprint)],
);

/** A code by its fingerprint; the text of the code is stored nowhere. */
export const codeToken = sqliteTable(
  "code_token",
  {
    fingerprint: text("fingerprint").primaryKey(),
    appId: text("app_id").notNull(),
    personId: text("person_id").notNull(),
    /** `settle` or `verify`. */
    purpose: text("purpose").notNull(),
    /** `signed` or `opaque`. */
    form: text("form").notNull(),
    /** `ISSUED`, `CONSUMED`, `EXPIRED` or `REVOKED`. */
    state: text("state").notNull(),
    issuedAtMs: integer("issued_at_ms").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
    /** The visit it opened, once consumed. */
    visitId: text("visit_id"),
  },
  (t) => [index("code_token_expiry").on(t.state, t.expiresAtMs)],
);

/** One decode of a code: an ecToken for one business of one institution (domain notes 8.1 row 22). */
export const visit = sqliteTable("visit", {
  /** Random, 32 hex digits; the ecToken is derived from it under a key and stored nowhere. */
  visitId: text("visit_id").primaryKey(),
  tokenFingerprint: text("token_fingerprint").notNull().unique(),
  codeFingerprint: text("code_fingerprint").notNull(),
  personId: text("person_id").notNull(),
  purpose: text("purpose").notNull(),
  institution: text("institution").notNull(),
  /** Where the code was shown. */
  terminal: text("terminal").notNull(),
  /** First level of the business type (S3 C.1): `01`, `02`, `03`. */
  businessFamily: text("business_family").notNull(),
  /** Six digits that begin the ecToken. */
  area: text("area").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  /** The transaction that settled it, if any. */
  settledBy: text("settled_by"),
});

/** What was granted to a transaction, so that repeating it repeats the answer. */
export const credentialUse = sqliteTable(
  "credential_use",
  {
    transactionId: text("transaction_id").notNull(),
    /** `resolve`, `presettlement`, `settlement` or `refund`. */
    step: text("step").notNull(),
    /** Fingerprint of what was shown: the same transaction with another credential is a conflict. */
    credential: text("credential").notNull(),
    terminal: text("terminal").notNull(),
    businessType: text("business_type").notNull(),
    visitId: text("visit_id").notNull(),
    /** JSON array of the bindings that were opened. */
    bindings: text("bindings").notNull(),
    atMs: integer("at_ms").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
    leafHash: blob("leaf_hash", { mode: "buffer" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.transactionId, t.step] })],
);
