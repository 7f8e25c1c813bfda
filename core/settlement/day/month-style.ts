/** Style of the month statement, on screen and on A4. */
export const PAGE_STYLE = `
:root{--ink:#1b2430;--quiet:#5b6672;--line:#d5dbe1;--soft:#f4f6f8;--accent:#0b5c6b}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:#fff;font:15px/1.55 "Noto Sans SC","Source Han Sans SC","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 32px 56px}
input[name=lang]{position:absolute;opacity:0;pointer-events:none}
nav{display:flex;justify-content:flex-end;gap:8px;max-width:1120px;margin:0 auto;padding:16px 32px 0}
nav label{padding:2px 12px;border:1px solid var(--line);border-radius:14px;cursor:pointer;font-size:13px;color:var(--quiet)}
body:has(#zh:checked) label[for=zh],body:has(#en:checked) label[for=en]{background:var(--accent);border-color:var(--accent);color:#fff}
body:has(#zh:focus-visible) label[for=zh],body:has(#en:focus-visible) label[for=en]{outline:2px solid var(--ink);outline-offset:2px}
body:has(#zh:checked) main [lang=en],body:has(#en:checked) main [lang=zh-CN]{display:none}
.brand{margin:0;color:var(--accent);font-weight:600;letter-spacing:.04em}
h1{margin:2px 0 14px;font-size:28px;line-height:1.25}
h2{margin:32px 0 10px;font-size:18px}
dl{display:flex;flex-wrap:wrap;gap:6px 40px;margin:0}
dt{color:var(--quiet);font-size:13px}
dd{margin:0;font-weight:600}
code{font:13px/1.4 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
.quiet{color:var(--quiet);font-weight:400}
.banner{margin:22px 0 0;padding:10px 16px;border-left:4px solid var(--line);background:var(--soft)}
.banner.good{border-color:#1d7a46}.banner.warn{border-color:#b7791f}.banner.bad{border-color:#b42318;background:#fdecea;font-weight:600}
.wide{overflow-x:auto}
.wide:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{width:100%;border-collapse:collapse}
th,td{padding:6px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--quiet);font-weight:500;font-size:13px;border-bottom:2px solid var(--ink)}
tfoot th,tfoot td{border-top:2px solid var(--ink);border-bottom:0;font-weight:600}
tr.sum td{background:var(--soft);font-weight:600}
tbody{break-inside:avoid}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.whole{white-space:nowrap}
.small{font-size:13px}
.hash code{overflow-wrap:anywhere;font-size:12px}
.note,footer{color:var(--quiet);font-size:13px}
footer{margin-top:32px;border-top:1px solid var(--line)}
.sealed{color:#1d7a46}.open{color:#8a5a12}.disagrees{color:#b42318;font-weight:600}
@media (max-width:640px){
main,nav{padding-left:16px;padding-right:16px}
h1{font-size:22px}
th,td{padding:5px 8px}
.wide :is(th,td):not(.hash){white-space:nowrap}
.hash code{display:inline-block;min-width:18em}
}
@page{size:A4;margin:14mm 12mm 16mm}
@media print{
body{font-size:10.5px}
nav,input[name=lang]{display:none}
main{max-width:none;padding:0}
.wide{overflow:visible}
h1{font-size:19px}
h2{margin:16px 0 6px;font-size:13px;break-after:avoid}
th,td{padding:3px 5px}
code,.hash code{font-size:8.5px}
thead th,.small,.note,footer,dt{font-size:9.5px}
thead{display:table-header-group}
tr,.banner{break-inside:avoid}
.banner,tr.sum td{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
`;
