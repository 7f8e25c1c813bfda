/** Who may speak to the platform: institutions with their terminals and partner keys, apps, edges. */
import { integer, primaryKey, real, sqliteTable, text, blob, index } from "drizzle-orm/sqlite-core";

/** A hospital, pharmacy or app with its S3 D.2 access data (domain notes 1.7). */
export const institution = sqliteTable("institution", {
  orgId: text("org_id").primaryKey(),
  name: text("name").notNull(),
  /** `hospital`, `pharmacy` or `app`. */
  kind: text("kind").notNull(),
  /** `active` or `suspended`. */
  status: text("status").notNull(),
  /** Envelope APPID of S3 D.2. */
  partnerAppId: text("partner_app_id").notNull(),
  /** Envelope SECRET, sealed under `key_handle`. */
  partnerSecret: blob("partner_secret", { mode: "buffer" }).notNull(),
  keyHandle: text("key_handle").notNull(),
  dialect: text("dialect").notNull(),
  signType: text("sign_type").notNull(),
  encryption: text("encryption").notNull(),
  ratePerSecond: real("rate_per_second").notNull(),
  rateBurst: integer("rate_burst").notNull(),
  /** The SECRET before the present one, sealed, while its overlap lasts. */
  formerSecret: blob("former_secret", { mode: "buffer" }),
  formerUntilMs: integer("former_until_ms"),
  /** What its edges may take while the core is away (`OfflineAllowance`). */
  offlineAmountMaxFen: integer("offline_amount_max_fen").notNull(),
  offlineTotalMaxFen: integer("offline_total_max_fen").notNull(),
  offlineForMs: integer("offline_for_ms").notNull(),
  offlineAgeMaxMs: integer("offline_age_max_ms").notNull(),
});

/** SM2 public keys a partner signs with; a retired key stays for the record and verifies nothing. */
export const partnerKey = sqliteTable(
  "partner_key",
  {
    orgId: text("org_id").notNull(),
    /** Hex, 65 bytes. */
    publicKey: text("public_key").notNull(),
    addedAtMs: integer("added_at_ms").notNull(),
    retiredAtMs: integer("retired_at_ms"),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.publicKey] })],
);

export const terminal = sqliteTable(
  "terminal",
  {
    orgId: text("org_id").notNull(),
    termId: text("term_id").notNull(),
    /** WGS 84, degrees: where the terminal was filed. */
    latitude: real("latitude").notNull(),
    longitude: real("longitude").notNull(),
    /** `active` or `suspended`. */
    status: text("status").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.termId] })],
);

/** An app that may ask for codes; its EHCAPPID is also its orgId in the envelope. */
export const app = sqliteTable("app", {
  appId: text("app_id").primaryKey(),
  name: text("name").notNull(),
  status: text("status").notNull(),
});

/** An edge beside a hospital. */
export const edge = sqliteTable("edge", {
  edgeId: text("edge_id").primaryKey(),
  status: text("status").notNull(),
  /** JSON array of the orgIds it serves; null: every one. */
  serves: text("serves"),
});

/** Secrets an edge signs its calls and events with (HMAC-SM3), sealed. The one before goes on until its end. */
export const edgeKey = sqliteTable(
  "edge_key",
  {
    edgeId: text("edge_id").notNull(),
    /** Of the event key that follows from it (`protocol/event-origin.ts`). */
    keyId: text("key_id").notNull(),
    authKey: blob("auth_key", { mode: "buffer" }).notNull(),
    keyHandle: text("key_handle").notNull(),
    addedAtMs: integer("added_at_ms").notNull(),
    /** Null: the present one. */
    untilMs: integer("until_ms"),
  },
  (t) => [primaryKey({ columns: [t.edgeId, t.keyId] })],
);

/** Versions of the platform's own signing keys that edges trust, by handle. */
export const signingKey = sqliteTable("signing_key", {
  handle: text("handle").primaryKey(),
  /** `bundle` or `code`. */
  purpose: text("purpose").notNull(),
  /** Hex, 65 bytes. */
  publicKey: text("public_key").notNull(),
  addedAtMs: integer("added_at_ms").notNull(),
  /** Before this it is announced to edges and signs nothing. */
  activeFromMs: integer("active_from_ms").notNull(),
  retiredAtMs: integer("retired_at_ms"),
});

/** Signed channel requests already seen, until their timestamp leaves the window. */
export const requestNonce = sqliteTable(
  "request_nonce",
  { replayKey: text("replay_key").primaryKey(), expiresAtMs: integer("expires_at_ms").notNull() },
  (t) => [index("request_nonce_expiry").on(t.expiresAtMs)],
);
