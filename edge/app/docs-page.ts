/**
 * The page to read the API by: the OpenAPI document in one language, with the prose that a first morning needs around
 * it. Plain HTML without script or network; everything that is not markup goes through Hono's escaping.
 */
import { html, raw } from "hono/html";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { BUSINESS_TYPES, businessTypeName, businessTypePlace, ID_TYPES, isSettlingBusinessType } from "../../core/protocol/tables.ts";
import { LATER_REFUSALS, type RefusalRow, REFUSALS } from "../refusals.ts";
import { formOf, type FormPart } from "./docs-form.ts";
import {
  CHECK_YOURSELF,
  ENVELOPE_ABOUT,
  HEADINGS,
  LABELS,
  LATER_ABOUT,
  LEAVES,
  NEEDED,
  PLACES,
  RECEIPT_LEFT_OUT,
  REFUSALS_ABOUT,
  RULES,
  SIGNING_AFTER,
  SIGNING_STEPS,
  TABLE_LINKS,
} from "./docs-prose.ts";
import { STYLE } from "./docs-style.ts";
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
import { STATUS_WORDS } from "./openapi-words.ts";
import { type Language, type Say, sayIn } from "./words.ts";

type Html = ReturnType<typeof html>;

/** What a section is written from. */
interface Page {
  readonly language: Language;
  readonly say: Say;
  readonly document: JsonObject;
}

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
            <p class="lead">${textOf(info["description"])}</p>
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

function heading({ say }: Page, anchor: keyof typeof HEADINGS): Html {
  return html`<h2 id="${anchor}">${say(HEADINGS[anchor])}</h2>`;
}

function start(page: Page): Html {
  const items = [...NEEDED, ...RULES].map((item) => html`<li>${page.say(item)}</li>`);
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
    <p>${say(ENVELOPE_ABOUT)}</p>
    <h3>${say(LABELS.requestFields)}</h3>
    ${fieldTable(page, request, "request")}
    <h3>${say(LABELS.replyFields)}</h3>
    ${fieldTable(page, reply, "reply")}
    <h3>${say(LABELS.wholeRequest)}</h3>
    ${block(`POST /v1/${EXAMPLE_OPERATION} HTTP/1.1\nContent-Type: application/json; charset=utf-8\n\n${pretty(EXAMPLE_REQUEST)}`)}
    <div class="pair">
      <div>
        <h3>${say(LABELS.wholeReply)}</h3>
        ${block(pretty(EXAMPLE_REPLY))}
      </div>
      <div>
        <h3>${say(LABELS.wholeRefusal)}</h3>
        ${block(pretty(EXAMPLE_REFUSAL))}
      </div>
    </div>
    <p class="soft">${say(RECEIPT_LEFT_OUT)}</p>
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
    [say(CHECK_YOURSELF.publicKey), EXAMPLE_PARTNER.publicKey],
    [say(CHECK_YOURSELF.sm3), EXAMPLE_STEPS.sm3OfSignText],
    [say(CHECK_YOURSELF.dataKey), EXAMPLE_STEPS.dataKey],
    [say(CHECK_YOURSELF.encData), EXAMPLE_STEPS.encData],
  ].map(([name, value]) => row(name, html`<code>${value}</code>`));
  return html`<section>
    ${heading(page, "signing")}
    <ol>
      ${SIGNING_STEPS.map((step) => html`<li>${say(step)}</li>`)}
    </ol>
    <p>${say(SIGNING_AFTER)}</p>
    <h3>${say(CHECK_YOURSELF.title)}</h3>
    <p>${say(CHECK_YOURSELF.about)}</p>
    <p>${say(CHECK_YOURSELF.signText)}</p>
    ${block(EXAMPLE_STEPS.signText)}
    <table>
      <tbody>
        ${facts}
      </tbody>
    </table>
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
    <p>${textOf(description)}</p>
    <h3>${say(LABELS.requestData)}</h3>
    ${fieldTable(page, objectOf(schemas[requestName(name)]), "request")}
    <h3>${say(LABELS.replyData)}</h3>
    ${fieldTable(page, objectOf(schemas[replyName(name)]), "reply")}
    <div class="pair">
      <div>
        <h3>${say(LABELS.requestExample)}</h3>
        ${block(pretty(request))}
      </div>
      <div>
        <h3>${say(LABELS.replyExample)}</h3>
        ${block(pretty(reply))}
      </div>
    </div>
  </section>`;
}

function fieldTable(page: Page, schema: JsonObject, of: "request" | "reply"): Html {
  const { say } = page;
  return html`<table class="fields">
    ${head([LABELS.field, of === "request" ? LABELS.need : LABELS.always, LABELS.meaning, LABELS.form].map(say))}
    <tbody>
      ${fieldRows(page, schema, "")}
    </tbody>
  </table>`;
}

/** A row for each field; those inside an array stand below it as `array[].field`. */
function fieldRows(page: Page, schema: JsonObject, within: string): readonly Html[] {
  const { say } = page;
  const { required, properties } = schema;
  return Object.entries(objectOf(properties)).flatMap(([name, value]) => {
    const field = objectOf(value);
    const need = Array.isArray(required) && required.includes(name);
    const form = field["$ref"] === undefined ? formOf(field, say) : formOf({ type: "object" }, say);
    const own = html`<tr>
      <td class="name"><code>${within}${name}</code></td>
      <td class="need">${need ? html`<span class="required">${say(LABELS.yes)}</span>` : say(LABELS.no)}</td>
      <td>${textOf(field["description"])}</td>
      <td class="form">${formParts(page, form)}</td>
    </tr>`;
    return [own, ...fieldRows(page, objectOf(field["items"]), `${within}${name}[].`)];
  });
}

function formParts({ language, say }: Page, parts: readonly FormPart[]): readonly (Html | string)[] {
  const separator = language === "zh" ? "，" : ", ";
  return parts.flatMap((part, at) => {
    const between = at === 0 ? [] : [part.kind === "literal" ? " " : separator];
    switch (part.kind) {
      case "words":
        return [...between, part.text];
      case "literal":
        return [...between, html`<code>${part.text}</code>`];
      case "table": {
        const { anchor, text } = TABLE_LINKS[part.of];
        return [...between, html`<a href="#${anchor}">${say(text)}</a>`];
      }
    }
  });
}

function statuses(page: Page): Html {
  const { say } = page;
  const rows = Object.entries(STATUS_WORDS).map(([status, { meaning, todo }]) =>
    row(html`<code>${status}</code>`, say(meaning), say(todo)),
  );
  return html`<section>
    ${heading(page, "status")}
    <table>
      ${head([LABELS.status, LABELS.meaning, LABELS.todo].map(say))}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

function codeTables(page: Page): Html {
  const { say } = page;
  const businessTypes = BUSINESS_TYPES.map((code) =>
    row(
      html`<code>${code}</code>`,
      html`<span lang="zh-CN">${businessTypeName(code)}</span>`,
      say(PLACES[businessTypePlace(code)]),
      isSettlingBusinessType(code) ? say(LABELS.yes) : say(LABELS.no),
    ),
  );
  const idTypes = Object.entries(ID_TYPES)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, name]) => row(html`<code>${code}</code>`, html`<span lang="zh-CN">${name}</span>`));
  return html`<section>
      ${heading(page, "business-types")}
      <table>
        ${head([LABELS.code, LABELS.name, LABELS.place, LABELS.settles].map(say))}
        <tbody>
          ${businessTypes}
        </tbody>
      </table>
    </section>
    <section>
      ${heading(page, "id-types")}
      <table>
        ${head([LABELS.code, LABELS.name].map(say))}
        <tbody>
          ${idTypes}
        </tbody>
      </table>
    </section>`;
}

function refusals(page: Page): Html {
  const { say } = page;
  const rows = Object.entries(REFUSALS).map(
    ([id, { condition, of, error, leaves }]) =>
      html`<tr id="refusal-${id}">
        <td class="name"><code>${ERRORS[error].code}</code></td>
        <td>${say(condition)}</td>
        <td>${message(page, error)}</td>
        <td>${operationLinks(page, of)}</td>
        <td>${say(LEAVES[leaves])}</td>
      </tr>`,
  );
  const later = LATER_REFUSALS.map((error) => row(html`<code>${ERRORS[error].code}</code>`, message(page, error)));
  return html`<section>
      ${heading(page, "refusals")}
      <p>${say(REFUSALS_ABOUT)}</p>
      <table>
        ${head([LABELS.code, LABELS.condition, LABELS.message, LABELS.operations, LABELS.leaves].map(say))}
        <tbody>
          ${rows}
        </tbody>
      </table>
    </section>
    <section>
      ${heading(page, "later")}
      <p>${say(LATER_ABOUT)}</p>
      <table>
        ${head([LABELS.code, LABELS.message].map(say))}
        <tbody>
          ${later}
        </tbody>
      </table>
    </section>`;
}

/** The text as it travels, which is Chinese; on the English page with its translation. */
function message({ language }: Page, error: ErrorName): Html {
  const { message: text, english } = ERRORS[error];
  return language === "zh" ? html`${text}` : html`<span lang="zh-CN">${text}</span> <span class="soft">${english}</span>`;
}

function operationLinks({ say }: Page, of: RefusalRow["of"]): readonly (Html | string)[] {
  if (of === "all") return [say(LABELS.all)];
  return of.split(", ").flatMap((bare, at) => [at === 0 ? "" : ", ", html`<a href="#rh.${bare}">${bare}</a>`]);
}

function others(page: Page): Html {
  const { say, document } = page;
  const rows = Object.entries(objectOf(document["paths"])).flatMap(([path, methods]) => {
    const get = objectOf(methods)["get"];
    if (get === undefined) return [];
    const answers = Object.entries(objectOf(objectOf(get)["responses"])).map(
      ([status, answer]) => `${status} ${textOf(objectOf(answer)["description"])}`,
    );
    return [row(html`<code>GET ${path}</code>`, textOf(objectOf(get)["summary"]), answers.join(page.language === "zh" ? "；" : "; "))];
  });
  return html`<section>
    ${heading(page, "other")}
    <table>
      ${head([LABELS.address, LABELS.meaning, LABELS.answers].map(say))}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

function head(titles: readonly string[]): Html {
  return html`<thead>
    <tr>
      ${titles.map((title) => html`<th scope="col">${title}</th>`)}
    </tr>
  </thead>`;
}

function row(...cells: readonly (Html | string | undefined)[]): Html {
  return html`<tr>
    ${cells.map((cell) => html`<td>${cell}</td>`)}
  </tr>`;
}

function block(text: string): Html {
  return html`<pre><code>${text}</code></pre>`;
}

function pretty(value: object): string {
  return JSON.stringify(value, undefined, 2);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
