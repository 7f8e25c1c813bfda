/**
 * The two forms of an SM2 signature: raw r‖s (64 bytes), and `SEQUENCE { r INTEGER, s INTEGER }` of GM/T 0009 in DER.
 * Which form a partner uses is a setting, never a guess: a raw signature may well begin with 0x30 (domain notes 1.5).
 */
export { signatureFromDer as rawOfDer, signatureToDer as derOfRaw } from "../crypto/signature-der.ts";
