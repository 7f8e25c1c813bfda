/**
 * The page to read the API by: the OpenAPI document in one language, with the prose that a first morning needs around
 * it. Plain HTML without script or network; everything that is not markup goes through Hono's escaping.
 */
import { html, raw } from "hono/html";
import { block, fold, heading, type Html, type Page, pretty, prose, row, textOf } from "./docs-parts.ts";
import {
  CHECK_YOURSELF,
  ENVELOPE_ABOUT,
  HEADINGS,
  LABELS,
  NEEDED,
  RECEIPT_LEFT_OUT,
  RULES,
  SIGNING_AFTER,
  SIGNING_STEPS,
} from "./docs-prose.ts";
import { STYLE } from "./docs-style.ts";
import { codeTables, fieldTable, others, refusals, statuses } from "./docs-tables.ts";
import {
  EXAMPLE_OPERATION,
  EXAMPLE_PARTNER,
  EXAMPLE_REFUSAL,
  EXAMPLE_REPLY,
  EXAMPLE_REQUEST,
  EXAMPLE_STEPS,
  EXAMPLES,
} from "./examples.ts";
import { type JsonObject, objectOf, openApiDocument, operationNames, replyName, requestName } from "./openapi.ts";
import { type Language, sayIn } from "./words.ts";

/** `en` for `?lang=en`, Chinese for everything else: the readers' language, whatever their browser was installed in. */
export function docsLanguage(asked: string | undefined): Language {
  return asked === "en" ? "en" : "zh";
}

/** Forbids scripts and everything else but the page's own style, by its hash. */
export async function docsPolicy(): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE)));
  return `default-src 'none'; style-src 'sha256-${btoa(String.fromCharCode(...digest))}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** The page in a language. @example docsPage("en") */
export function docsPage(language: Language): Html {
  const say = sayIn(language);
  const page: Page = { language, say, document: openApiDocument(say) };
  const info = objectOf(page.document["info"]);
  return html`<!doctype html>
    <html lang="${language === "zh" ? "zh-CN" : "en"}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${textOf(info["title"])}</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <div class="page">
          ${contents(page)}
          <main>
            <h1>${textOf(info["title"])}</h1>
            <p class="lead">${prose(textOf(info["description"]))}</p>
            <p>${say(LABELS.openapi)}<a href="/openapi.json">/openapi.json</a>${say(LABELS.openapiUse)}</p>
            ${start(page)} ${envelope(page)} ${signing(page)} ${operationNames().map((name) => operation(page, name))} ${statuses(page)}
            ${codeTables(page)} ${refusals(page)} ${others(page)}
          </main>
        </div>
      </body>
    </html> `;
}

function contents({ language, say }: Page): Html {
  const link = (anchor: keyof typeof HEADINGS): Html => html`<li><a href="#${anchor}">${say(HEADINGS[anchor])}</a></li>`;
  const other =
    language === "zh"
      ? html`<a href="/docs?lang=en" hreflang="en" lang="en">English</a>`
      : html`<a href="/docs" hreflang="zh-CN" lang="zh-CN">中文</a>`;
  return html`<nav aria-label="${say(LABELS.contents)}">
    <p class="language">${other}</p>
    <ul>
      ${link("start")}${link("envelope")}${link("signing")}
      ${operationNames().map(
        (name) =>
          html`<li>
            <a href="#${name}"><code>${name}</code></a>
          </li>`,
      )}
      ${link("status")}${link("business-types")}${link("id-types")}${link("refusals")}${link("later")}${link("other")}
    </ul>
  </nav>`;
}

function start(page: Page): Html {
  const items = [...NEEDED, ...RULES].map((item) => html`<li>${prose(page.say(item))}</li>`);
  return html`<section>
    ${heading(page, "start")}
    <ul>
      ${items}
    </ul>
  </section>`;
}

function envelope(page: Page): Html {
  const { say } = page;
  const { request, reply } = envelopeSchemas(page);
  return html`<section>
    ${heading(page, "envelope")}
    <p>${prose(say(ENVELOPE_ABOUT))}</p>
    ${fold(say(LABELS.requestFields), fieldTable(page, request, "request"))}
    ${fold(say(LABELS.replyFields), fieldTable(page, reply, "reply"))}
    <h3>${say(LABELS.wholeRequest)}</h3>
    ${block(`POST /v1/${EXAMPLE_OPERATION} HTTP/1.1\nContent-Type: application/json; charset=utf-8\n\n${pretty(EXAMPLE_REQUEST)}`)}
    ${fold(say(LABELS.wholeReply), block(pretty(EXAMPLE_REPLY)))} ${fold(say(LABELS.wholeRefusal), block(pretty(EXAMPLE_REFUSAL)))}
    <p class="soft">${prose(say(RECEIPT_LEFT_OUT))}</p>
  </section>`;
}

/** The same for every operation but for `data`. */
function envelopeSchemas({ document }: Page): { readonly request: JsonObject; readonly reply: JsonObject } {
  const post = objectOf(objectOf(objectOf(document["paths"])[`/v1/${EXAMPLE_OPERATION}`])["post"]);
  return { request: jsonSchemaIn(objectOf(post["requestBody"])), reply: jsonSchemaIn(objectOf(objectOf(post["responses"])["200"])) };
}

function jsonSchemaIn(holder: JsonObject): JsonObject {
  return objectOf(objectOf(objectOf(holder["content"])["application/json"])["schema"]);
}

function signing(page: Page): Html {
  const { say } = page;
  const facts = [
    ["appId", EXAMPLE_PARTNER.appId],
    ["appSecret", EXAMPLE_PARTNER.appSecret],
    [say(CHECK_YOURSELF.privateKey), EXAMPLE_PARTNER.privateKey],
    [say(CHECK_YOURSELF.publicKey), EXAMPLE_PARTNER.publicKey],
    [say(CHECK_YOURSELF.za), EXAMPLE_STEPS.za],
    [say(CHECK_YOURSELF.digest), EXAMPLE_STEPS.digest],
    ["signData (SM2)", EXAMPLE_REQUEST.signData],
    [say(CHECK_YOURSELF.sm3), EXAMPLE_STEPS.sm3OfSignText],
    [say(CHECK_YOURSELF.wrappedSecret), EXAMPLE_STEPS.wrappedSecret],
    [say(CHECK_YOURSELF.dataKey), EXAMPLE_STEPS.dataKey],
    [say(CHECK_YOURSELF.encData), EXAMPLE_STEPS.encData],
  ] as const;
  return html`<section>
    ${heading(page, "signing")}
    <ol>
      ${SIGNING_STEPS.map((step) => html`<li>${prose(say(step))}</li>`)}
    </ol>
    <p>${prose(say(SIGNING_AFTER))}</p>
    ${fold(
      say(CHECK_YOURSELF.title),
      html`<p>${say(CHECK_YOURSELF.about)}</p>
        <p>${say(CHECK_YOURSELF.signText)}</p>
        ${block(EXAMPLE_STEPS.signText)}
        <table class="facts">
          <tbody>
            ${facts.map(([name, value]) => row(name, html`<code>${value}</code>`))}
          </tbody>
        </table>`,
    )}
  </section>`;
}

function operation(page: Page, name: keyof typeof EXAMPLES): Html {
  const { say, document } = page;
  const { summary, description } = objectOf(objectOf(objectOf(document["paths"])[`/v1/${name}`])["post"]);
  const schemas = objectOf(objectOf(document["components"])["schemas"]);
  const { request, reply } = EXAMPLES[name];
  return html`<section>
    <h2 id="${name}">${name} ${textOf(summary)}</h2>
    <p class="path"><code>POST /v1/${name}</code></p>
    <p>${prose(textOf(description))}</p>
    ${fold(say(LABELS.requestData), fieldTable(page, objectOf(schemas[requestName(name)]), "request"))}
    ${fold(say(LABELS.replyData), fieldTable(page, objectOf(schemas[replyName(name)]), "reply"))}
    ${fold(say(LABELS.requestExample), block(pretty(request)))} ${fold(say(LABELS.replyExample), block(pretty(reply)))}
  </section>`;
}
