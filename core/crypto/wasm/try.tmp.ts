import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { loadCrypto } from "../index.ts";
import { zaInput } from "../curve.ts";
const w = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(process.argv[2] ?? "/tmp/h9/a.wasm")), {}).exports as any;
let t0 = performance.now(); w.initialise(); console.log("init ms", performance.now() - t0);
w.memory.grow(4);
const mem = new Uint8Array(w.memory.buffer);
const c = await loadCrypto();
const enc = new TextEncoder();
function sm3(...p: Uint8Array[]) { w.sm3Start(); for (const x of p) { mem.set(x, w.CHUNK.value); w.sm3Update(x.length); } w.sm3Finish(); return mem.slice(w.DIGEST.value, w.DIGEST.value + 32); }
for (let i = 0; i < 200; i++) { const m = new Uint8Array(randomBytes(i)); const a = Buffer.from(sm3(m)).toString("hex"), b = Buffer.from(c.sm3(m)).toString("hex"); if (a !== b) throw new Error("sm3 " + i); }
const cases = [];
for (let i = 0; i < 300; i++) {
  const k = c.sm2GenerateKeyPair(); const m = new Uint8Array(randomBytes(100)); const s = c.sm2Sign(k.privateKey, m);
  const za = c.sm3(zaInput(k.publicKey, "1234567812345678")); cases.push({ k, m, s, za, e: c.sm3(za, m) });
}
let bad = 0;
for (const x of cases) {
  mem.set(x.k.publicKey, w.KEY.value); mem.set(x.s, w.SIGNATURE.value); mem.set(x.e, w.DIGEST.value);
  if (!w.loadKey()) throw new Error("key");
  const r0 = w.verify(0, 0); w.keepTable(1, w.TABLES.value); const r1 = w.verify(1, w.TABLES.value); w.keepTable(2, w.TABLES.value); const r2 = w.verify(2, w.TABLES.value);
  if (!(r0 && r1 && r2)) { bad++; if (bad < 4) console.log(r0, r1, r2); }
  mem[w.DIGEST.value + 5] ^= 1; if (w.verify(0, 0) || w.verify(2, w.TABLES.value)) throw new Error("accepts");
}
console.log("bad", bad);
function rate(name: string, f: () => void) { for (let i = 0; i < 500; i++) f(); let best = 1e9; for (let k = 0; k < 5; k++) { const n = 2000; const t = performance.now(); for (let i = 0; i < n; i++) f(); best = Math.min(best, (performance.now() - t) / n); } console.log(name, (best * 1e3).toFixed(2), "us", (1 / best).toFixed(2), "k/s"); }
const x = cases[0]!; mem.set(x.k.publicKey, w.KEY.value); mem.set(x.s, w.SIGNATURE.value); mem.set(x.e, w.DIGEST.value); w.loadKey();
rate("cold", () => { w.loadKey(); w.verify(0, 0); });
w.keepTable(1, w.TABLES.value); rate("small", () => { w.verify(1, w.TABLES.value); });
w.keepTable(2, w.TABLES.value); rate("large", () => { w.verify(2, w.TABLES.value); });
rate("sm3", () => { w.sm3Start(); w.sm3Update(232); w.sm3Finish(); });
const f = w.FIELD_SCRATCH.value + 200;
rate("100 mul", () => { for (let i = 0; i < 100; i++) w.multiply(f, f, f); });
rate("100 sqr", () => { for (let i = 0; i < 100; i++) w.square(f, f); });
t0 = performance.now(); for (let i = 0; i < 20; i++) w.keepTable(1, w.TABLES.value); console.log("small table ms", (performance.now() - t0) / 20);
t0 = performance.now(); for (let i = 0; i < 20; i++) w.keepTable(2, w.TABLES.value); console.log("large table ms", (performance.now() - t0) / 20);

import { sm2 } from "sm-crypto-v2"; import { toHex } from "../text.ts";
const pre = sm2.precomputePublicKey(toHex(x.k.publicKey)); const sh = toHex(x.s);
{ const f = () => sm2.doVerifySignature(x.m, sh, pre, { hash: true, der: false, userId: "1234567812345678" }); for (let i = 0; i < 100; i++) f(); let best = 1e9; for (let k = 0; k < 3; k++) { const n = 300; const t = performance.now(); for (let i = 0; i < n; i++) f(); best = Math.min(best, (performance.now() - t) / n); } console.log("v2pre", (best * 1e3).toFixed(1), "us"); }
