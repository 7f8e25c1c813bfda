/** Real-name people. Whatever names a person is sealed; what must be found is found by a keyed fingerprint. */
import { blob, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const person = sqliteTable("person", {
  /** Random, 32 hex digits; says nothing about the person. */
  personId: text("person_id").primaryKey(),
  /** HMAC-SM3 of the first document under the fingerprint key, hex. */
  fingerprint: text("fingerprint").notNull().unique(),
  /** How streams know the person: HMAC-SM3 of `person_id` under the analytics key, hex. */
  pseudonym: text("pseudonym").notNull(),
  /** Main index ID (S1 3.3), 32 bytes. */
  mainIndex: blob("main_index", { mode: "buffer" }).notNull(),
  /** JSON of name, document type and number, sealed. */
  identity: blob("identity", { mode: "buffer" }).notNull(),
  /** EHC-ID (S1 3.4), 64 hex digits, sealed: it can be opened by whoever holds the root key. */
  ehcId: blob("ehc_id", { mode: "buffer" }).notNull(),
  ehcFingerprint: text("ehc_fingerprint").notNull().unique(),
  keyVersion: integer("key_version").notNull(),
  registeredAtMs: integer("registered_at_ms").notNull(),
  /** 1 once an erasure was ordered: nothing new is granted, what is under way may end. */
  closing: integer("closing").notNull().default(0),
});

/** Every document that leads to a person, with its type on both sides of the crosswalk (domain notes 2.5). */
export const personDocument = sqliteTable(
  "person_document",
  {
    fingerprint: text("fingerprint").primaryKey(),
    personId: text("person_id").notNull(),
    /** S3 C.2. */
    nhsaType: text("nhsa_type").notNull(),
    /** Health-card table. */
    ehcType: text("ehc_type").notNull(),
    number: blob("number", { mode: "buffer" }).notNull(),
    keyVersion: integer("key_version").notNull(),
  },
  (t) => [index("person_document_person").on(t.personId)],
);
