import { crypto, testSigner } from "/work/main/ledger/testing/platform.ts";
import { verifyDatabase } from "/work/main/ledger/verify-files.ts";
import { openDatabase } from "/work/main/migrations/database.ts";
import { readLeaves } from "/work/main/ledger/store/load.ts";
const personal=process.argv[2]==="personal"; const K=+(process.argv[3]??3);
const db=await openDatabase({kind:"core",file:`/tmp/${process.argv[2]}.db`,readOnly:true});
const bs=(await readLeaves(db,0n,5000)).map(x=>x.bytes);
const cpu=async (f:()=>unknown)=>{ const a=process.cpuUsage(); await f(); const b=process.cpuUsage(a); return b.user+b.system; };
const bound=()=>cpu(()=>{ const Z=Uint8Array.of(0), nd=new Uint8Array(65),nd2=new Uint8Array(110); for(let r=0;r<4;r++)for(const b of bs){ crypto.sm3(Z,b); crypto.sm3(nd); if(personal){crypto.sm3(nd2);crypto.sm3(nd2);} } }).then(x=>x/4/bs.length);
await bound();
for (let k=0;k<K;k++){
 const b1=await bound(); let n=1n; let r:any;
 const t=await cpu(async()=>{ r=await verifyDatabase({db, crypto, trustedKeys:[testSigner().trusted]}); n=r.size; }); 
 const b2=await bound(); const per=t/Number(n);
 console.log(process.argv[2], r.ok, r.firstDefect??"", "verify cpu us/leaf",per.toFixed(2),"bound",b1.toFixed(2),b2.toFixed(2),"ratio",((b1+b2)/2/per).toFixed(2), "rss",process.memoryUsage().rss>>20);
}
await db.close();
