import { TestPlatform, draft, AT, crypto } from "/work/main/ledger/testing/platform.ts";
import { verifyDatabase } from "/work/main/ledger/verify-files.ts";
const N=+(process.argv[2]??60000); const personal=process.argv[3]==="p";
const p = await TestPlatform.create();
const ds=Array.from({length:256},(_,n)=>draft(n, personal?{}:{personal:undefined} as any));
for (let i=0;i<N;i+=256){ const s=p.log.stage(ds, AT); await p.db.write(s.statements); s.committed(); }
await p.log.checkpoint(AT);
const M=Number(p.log.size);
const bs=(await p.log.leaves(0n,5000)).map(x=>x.bytes);
const bound=()=>{ let a=performance.now(); const Z=Uint8Array.of(0), nd=new Uint8Array(65),nd2=new Uint8Array(120); for(let r=0;r<4;r++)for(const b of bs){ crypto.sm3(Z,b); crypto.sm3(nd); if(personal){crypto.sm3(nd2);crypto.sm3(nd2);} } return (performance.now()-a)/4*1000/bs.length; };
bound();
for (let k=0;k<3;k++){
 const b1=bound();
 const a=performance.now(); const r=await verifyDatabase({db:p.db, crypto, trustedKeys:[p.signer.trusted]}); const t=(performance.now()-a)*1000/M;
 const b2=bound();
 console.log(r.ok, r.firstDefect??"", "verify us/leaf",t.toFixed(2),"bound",b1.toFixed(2),b2.toFixed(2),"ratio",((b1+b2)/2/t).toFixed(2), "rss",process.memoryUsage().rss>>20);
}
await p.close();
