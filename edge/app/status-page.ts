/**
 * The page `/status`: for a desk that wants to know whether it may go on. Plain HTML and one small script that renews
 * what changed, so that a screen reader is told of changes only and nothing is taken from under a reader's hand (WCAG
 * 2.2.1, 2.2.2); without scripts a link does it.
 */
import { html, raw } from "hono/html";
import { formatCst14, type EventMs } from "../../core/protocol/time.ts";
import type { Html } from "./docs-parts.ts";
import type { EdgeStatus } from "./status.ts";
import { FINDING_WORDS, LABELS, STANDING_WORDS } from "./status-words.ts";
import { type Language, type Say, sayIn } from "./words.ts";

const REFRESH_SECONDS = 5;

export const STATUS_STYLE = `
:root {
  color-scheme: light dark;
  --text: #1b1f24; --soft: #57606a; --line: #d8dee4; --paper: #f6f8fa; --panel: #fff; --link: #0550ae;
  --normal: #1a7f37; --offline: #9a6700; --limited: #b42318;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9aa4af; --line: #30363d; --paper: #0d1117; --panel: #161b22; --link: #6cb6ff; --normal: #4ac26b; --offline: #e3b341; --limited: #ff938a }
}
* { box-sizing: border-box }
body {
  margin: 0; color: var(--text); background: var(--paper); overflow-wrap: anywhere;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
}
a { color: var(--link) }
main { max-width: 68rem; margin: 0 auto; padding: 1.75rem 1.5rem 3rem }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.25rem; margin-bottom: 1.25rem }
h1 { font-size: 1.5rem; margin: 0 }
header .id { color: var(--soft); font-family: ui-monospace, Consolas, "DejaVu Sans Mono", monospace }
header .language { margin-left: auto }
.standing { background: var(--panel); border: 1px solid var(--line); border-left: 6px solid var(--tone); border-radius: 8px; padding: 1rem 1.25rem; margin-bottom: 1.25rem }
.standing strong { display: block; font-size: 1.6rem; line-height: 1.3; color: var(--tone) }
.standing p { margin: .3rem 0 0 }
.standing ul { margin: .6rem 0 0; padding-left: 1.2rem }
.normal { --tone: var(--normal) } .offline { --tone: var(--offline) } .limited { --tone: var(--limited) }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.25rem }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; min-width: 0 }
section.wide { grid-column: 1 / -1 }
h2 { font-size: 1rem; margin: 0 0 .6rem }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .3rem 1rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums }
dd small { color: var(--soft); font-size: .85em; margin-left: .5em }
.there { color: var(--normal) } .away { color: var(--limited); font-weight: 600 }
.scrolls { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: right; padding: .35rem 0 .35rem 1rem; border-bottom: 1px solid var(--line) }
tr:last-child td { border-bottom: 0 }
th { color: var(--soft); font-weight: 500 }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
.soft { color: var(--soft) }
.stale { background: var(--panel); border: 1px solid var(--limited); border-radius: 8px; color: var(--limited); font-weight: 600; padding: .75rem 1.25rem; margin: 0 0 1.25rem }
footer { color: var(--soft); font-size: .9rem; margin-top: 1.25rem }
`;

/** Asks for the page anew and puts in place what differs; says so when nobody answers. */
export const STATUS_SCRIPT = `
const parts = ["standing", "cards", "as-of"];
const find = (page, id) => page.getElementById(id);
find(document, "auto").hidden = false;
async function renew() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(${REFRESH_SECONDS * 1000}) });
    if (!answer.ok) throw new Error("no answer");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const id of parts) {
      const mine = find(document, id);
      const theirs = find(fresh, id);
      if (theirs === null || mine.innerHTML === theirs.innerHTML) continue;
      mine.className = theirs.className;
      mine.replaceChildren(...theirs.childNodes);
    }
    find(document, "stale").hidden = true;
  } catch {
    find(document, "stale").hidden = false;
  }
  setTimeout(renew, ${REFRESH_SECONDS * 1000});
}
setTimeout(renew, ${REFRESH_SECONDS * 1000});
`;

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}

/** Forbids everything but the page's own style and script, by their hashes, and asking this edge again. */
export async function statusPolicy(): Promise<string> {
  const [style, script] = await Promise.all([hashOf(STATUS_STYLE), hashOf(STATUS_SCRIPT)]);
  return `default-src 'none'; style-src ${style}; script-src ${script}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

export function statusPage(status: EdgeStatus, language: Language): Html {
  const say = sayIn(language);
  const other =
    language === "zh"
      ? html`<a href="/status?lang=en" hreflang="en" lang="en">English</a>`
      : html`<a href="/status" hreflang="zh-CN" lang="zh-CN">中文</a>`;
  return html`<!doctype html>
    <html lang="${language === "zh" ? "zh-CN" : "en"}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${say(STANDING_WORDS[status.standing].name)} · ${say(LABELS.title)} · ${status.edge}</title>
        ${raw(`<style>${STATUS_STYLE}</style>`)}
      </head>
      <body>
        <main>
          <header>
            <h1>${say(LABELS.title)}</h1>
            <span class="id">${status.edge}</span>
            <span class="language">${other}</span>
          </header>
          <p id="stale" class="stale" role="alert" hidden>${say(LABELS.stale)}</p>
          ${standing(status, say)}
          <div id="cards" class="cards">
            ${taken(status, say)} ${links(status, say)} ${backlog(status, say)} ${settings(status, say)} ${machine(status, say)}
          </div>
          <footer>
            <span id="as-of">${say(LABELS.asOf)} ${instant(status.atMs)}</span>
            <span id="auto" hidden>· ${say(LABELS.refreshes)}</span>
            · <a href="${language === "zh" ? "/status" : "/status?lang=en"}">${say(LABELS.refresh)}</a>
          </footer>
        </main>
        ${raw(`<script type="module">${STATUS_SCRIPT}</script>`)}
      </body>
    </html> `;
}

function standing({ standing: name, findings }: EdgeStatus, say: Say): Html {
  const { name: word, means } = STANDING_WORDS[name];
  const list = findings.map((finding) => html`<li>${say(FINDING_WORDS[finding])}</li>`);
  return html`<div id="standing" class="standing ${name}" role="status" aria-live="polite">
    <strong>${say(word)}</strong>
    <p>${say(means)}</p>
    ${
      list.length === 0
        ? ""
        : html`<ul>
            ${list}
          </ul>`
    }
  </div>`;
}

function card(title: string, rows: readonly (readonly [string, Html | string])[]): Html {
  return html`<section>
    <h2>${title}</h2>
    <dl>
      ${rows.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </section>`;
}

function links({ link, offlineSinceMs, clockSkewMs }: EdgeStatus, say: Say): Html {
  const shown = (state: "there" | "away"): Html => html`<span class="${state}">${say(LABELS[state])}</span>`;
  return card(say(LABELS.links), [
    [say(LABELS.core), shown(link.core)],
    [say(LABELS.bus), shown(link.bus)],
    ...(offlineSinceMs === null ? [] : [[say(LABELS.offlineSince), instant(offlineSinceMs)] as const]),
    [say(LABELS.skew), clockSkewMs === null ? say(LABELS.unknown) : `${clockSkewMs} ms`],
  ]);
}

function backlog({ backlog: { depth, depthMax, oldestAgeMs, ageMsMax } }: EdgeStatus, say: Say): Html {
  const within = (value: string, max: string): Html => html`${value}<small>${say(LABELS.room)} ${max}</small>`;
  return card(say(LABELS.backlog), [
    [say(LABELS.events), within(String(depth), String(depthMax))],
    [say(LABELS.oldest), within(duration(oldestAgeMs), duration(ageMsMax))],
  ]);
}

function settings({ bundle, bundleRefused }: EdgeStatus, say: Say): Html {
  const refused =
    bundleRefused === null ? [] : [[say(LABELS.refusedBundle), `${bundleRefused.reason} · ${instant(bundleRefused.atMs)}`] as const];
  if (bundle === null) return card(say(LABELS.settings), [[say(LABELS.version), say(LABELS.none)], ...refused]);
  return card(say(LABELS.settings), [
    [say(LABELS.version), String(bundle.version)],
    [say(LABELS.issued), instant(bundle.issuedAtMs)],
    [say(LABELS.expires), instant(bundle.expiresAtMs)],
    [say(LABELS.institutions), String(bundle.institutions)],
    [say(LABELS.revoked), String(bundle.revokedCodes)],
    ...refused,
  ]);
}

function machine({ crypto: families, storage }: EdgeStatus, say: Say): Html {
  const failing = storage.map(({ database, cause, sinceMs }) => `${database}: ${cause} · ${instant(sinceMs)}`);
  return card(say(LABELS.crypto), [
    ...Object.entries(families),
    ...(failing.length === 0 ? [] : [[say(LABELS.storage), failing.join("; ")] as const]),
  ]);
}

function taken({ takenOffline }: EdgeStatus, say: Say): Html {
  const titles = [LABELS.institution, LABELS.bills, LABELS.amount, LABELS.amountMax, LABELS.billMax];
  const rows = takenOffline.map(
    ({ institution, bills, amount, amountMax, billMax }) =>
      html`<tr>
        <td>${institution}</td>
        <td>${bills}</td>
        <td>${amount}</td>
        <td>${amountMax}</td>
        <td>${billMax}</td>
      </tr>`,
  );
  return html`<section class="wide">
    <h2>${say(LABELS.offlineTaken)}</h2>
    ${
      rows.length === 0
        ? html`<p class="soft">${say(LABELS.nothingTaken)}</p>`
        : html`<div class="scrolls" tabindex="0" role="region" aria-label="${say(LABELS.offlineTaken)}">
            <table>
              <thead>
                <tr>
                  ${titles.map((title) => html`<th scope="col">${say(title)}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${rows}
              </tbody>
            </table>
          </div>`
    }
  </section>`;
}

/** Local time of the country, as a clock on the wall shows it. */
function instant(atMs: number): string {
  const digits = formatCst14(atMs as EventMs);
  return digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "$1-$2-$3 $4:$5:$6");
}

const two = (value: number): string => String(value).padStart(2, "0");

/** @example duration(3_723_000) // "1:02:03" */
function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
