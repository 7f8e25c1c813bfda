/** What an operator may register; checked here, whoever asks (command line, admin address, seeding). */
import * as v from "valibot";
import { canonicalPublicKey, PUBLIC_KEY_FORMS } from "../crypto/sm2-key-text.ts";
import { dialectInput } from "../protocol/dialects.ts";
import { identifier, text } from "../protocol/texts.ts";

const name = text(100);
/** In any form; what comes out is the one that is stored. */
export const publicKey = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const canonical = canonicalPublicKey(dataset.value);
    if (canonical !== undefined) return canonical;
    addIssue({ message: PUBLIC_KEY_FORMS });
    return NEVER;
  }),
);

/** Longer than this the record of a code is not kept open for a late acceptance. */
export const ACCEPTED_AGE_MS_MAX = 24 * 3_600_000;
const fen = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,15})$/));
const span = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(ACCEPTED_AGE_MS_MAX));

/** What edges may take for an institution while the core or the bus is away (`OfflineAllowance`). */
export const offlineRegistration = v.strictObject({ amountMaxFen: fen, totalMaxFen: fen, forMs: span, ageMaxMs: span });
/**
 * Defaults where nothing was agreed. One bill: 1,000 yuan, above which S0 6.4.2 wants more than a code (domain notes 8.2
 * row 40). Four hours, a long cut of a hospital's line; what was taken by then may arrive within a day.
 */
export const OFFLINE_DEFAULT: v.InferOutput<typeof offlineRegistration> = {
  amountMaxFen: "100000",
  totalMaxFen: "20000000",
  forMs: 4 * 3_600_000,
  ageMaxMs: ACCEPTED_AGE_MS_MAX,
};

/** How a partner signs and encrypts: each a column of its row and a fact of its entry (`partner-facts.ts`). */
const signing = {
  dialect: dialectInput,
  signType: v.picklist(["SM2", "SM3"]),
  encryption: v.picklist(["required", "optional", "none"]),
};
/** Calls per second in the long run, and at once. */
const rates = {
  ratePerSecond: v.pipe(v.number(), v.minValue(0.1), v.maxValue(100_000)),
  rateBurst: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)),
};
export type PartnerSettings = v.InferOutput<v.ObjectSchema<typeof signing & typeof rates, undefined>>;
export const PARTNER_SETTINGS = Object.keys({ ...signing, ...rates }) as readonly (keyof PartnerSettings)[];

/** S3 D.2: what the platform hands to a partner, and how the partner signs. */
const partner = {
  /** Envelope APPID; its first 16 characters become an SM4 key (domain notes 1.3). */
  partnerAppId: v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{16,64}$/)),
  /** Envelope SECRET. */
  partnerSecret: v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{16,64}$/)),
  ...signing,
  publicKeys: v.pipe(
    v.array(publicKey),
    v.minLength(1),
    v.maxLength(8),
    v.check((keys) => new Set(keys).size === keys.length, "a key is there twice"),
  ),
};

export const terminalRegistration = v.strictObject({
  /** 20 digits when filed at the centre, at most 32 otherwise (domain notes 8.1 row 23). */
  termId: identifier(32),
  latitude: v.pipe(v.number(), v.minValue(-90), v.maxValue(90)),
  longitude: v.pipe(v.number(), v.minValue(-180), v.maxValue(180)),
});

export const institutionRegistration = v.strictObject({
  orgId: identifier(40),
  name,
  kind: v.picklist(["hospital", "pharmacy"]),
  ...partner,
  terminals: v.array(terminalRegistration),
  ...rates,
  offline: v.optional(offlineRegistration, OFFLINE_DEFAULT),
});

/** A new envelope SECRET of a partner, and how long the one before still counts. */
export const secretRotation = v.strictObject({
  partnerSecret: partner.partnerSecret,
  overlapMs: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(90 * 86_400_000)),
});

export const edgeRegistration = v.strictObject({
  edgeId: identifier(40),
  /** The institutions beside it; absent: every hospital and pharmacy. An app is served only where it is named. */
  serves: v.optional(v.pipe(v.array(identifier(40)), v.minLength(1))),
});

/** @param appIdWidth characters of EHCAPPID (S0 5.1), the same for every app of a platform. */
export function appRegistration(appIdWidth: number) {
  return v.strictObject({
    appId: v.pipe(v.string(), v.regex(/^[0-9A-Za-z]+$/), v.length(appIdWidth)),
    name,
    ...partner,
    ...rates,
  });
}

export type TerminalRegistration = v.InferOutput<typeof terminalRegistration>;
export type InstitutionRegistration = v.InferInput<typeof institutionRegistration>;
export type EdgeRegistration = v.InferOutput<typeof edgeRegistration>;
export type AppRegistration = v.InferOutput<ReturnType<typeof appRegistration>>;
export type SecretRotation = v.InferOutput<typeof secretRotation>;
