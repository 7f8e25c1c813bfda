import { draft, AT, crypto, random, testSigner, ORIGIN } from "/work/main/ledger/testing/platform.ts";
import { openDatabase } from "/work/main/migrations/database.ts";
import { openLog } from "/work/main/ledger/log.ts";
for (const [f,personal] of [["/tmp/plain.db",false],["/tmp/personal.db",true]] as const) {
const db=await openDatabase({kind:"core",file:f}); const signer=testSigner();
const log=await openLog({db,origin:ORIGIN,crypto,random,signer});
const ds=Array.from({length:256},(_,n)=>draft(n, personal?{}:{personal:undefined} as any));
let t=0,w=0;
for (let i=0;i<60000;i+=256){ const a=process.cpuUsage(); const s=log.stage(ds, AT); const b=process.cpuUsage(a); t+=b.user+b.system; const c=process.cpuUsage(); await db.write(s.statements); const d=process.cpuUsage(c); w+=d.user+d.system; s.committed(); }
await log.checkpoint(AT);
console.log(f,"stage us/leaf",t/60000,"write us/leaf", w/60000);
await db.close();
}
