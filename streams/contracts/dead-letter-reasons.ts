/** Why a record was put aside, by every consumer of ours. A dead letter, a journal, a log line and a metric say nothing else. */
export const DEAD_LETTER_REASONS = [
  // The record is no event of its topic.
  "batchUnreadable",
  "decoderFailed",
  "topicUnknown",
  "topicMismatch",
  "specversionUnknown",
  "typeMismatch",
  "contentTypeUnknown",
  "idInvalid",
  "sourceInvalid",
  "keyMismatch",
  "timeInvalid",
  "ledgerPositionInvalid",
  "notUtf8",
  "notJson",
  "schemaMismatch",
  // It is one, and says what the consumer cannot use.
  "timeAhead",
  "figuresOutOfRange",
  "amountInvalid",
  // It is a request of nobody who may make it.
  "originMissing",
  "originKeyUnknown",
  "originForged",
  "originEdgeUnknown",
  "originEdgeSuspended",
  "originInstitution",
] as const;

export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** Headers of letters are anybody's word: what is no reason of ours is `other`. */
export function knownReason(text: string | undefined): DeadLetterReason | "other" {
  return DEAD_LETTER_REASONS.find((reason) => reason === text) ?? "other";
}
