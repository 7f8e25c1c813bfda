/** The tables of `/docs`, each made from what the edge obeys: schemas, S3's code tables, the table of refusals. */
import { html } from "hono/html";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { BUSINESS_TYPES, businessTypeName, businessTypePlace, ID_TYPES, isSettlingBusinessType } from "../../core/protocol/tables.ts";
import { LATER_REFUSALS, type RefusalRow, REFUSALS } from "../refusals.ts";
import { formOf, type FormPart } from "./docs-form.ts";
import { fold, head, heading, type Html, type Page, prose, row, textOf } from "./docs-parts.ts";
import { LABELS, LATER_ABOUT, LEAVES, PLACES, REFUSALS_ABOUT, TABLE_LINKS } from "./docs-prose.ts";
import { type Json, type JsonObject, objectOf } from "./openapi.ts";
import { STATUS_WORDS } from "./openapi-words.ts";

export function fieldTable(page: Page, schema: JsonObject, of: "request" | "reply"): Html {
  const { say } = page;
  return html`<table class="fields">
    ${head([LABELS.field, of === "request" ? LABELS.need : LABELS.always, LABELS.meaning, LABELS.form].map(say))}
    <tbody>
      ${fieldRows(page, schema, { within: "", of })}
    </tbody>
  </table>`;
}

/** A row for each field; those inside an array stand below it as `array[].field`, those of an object as `object.field`. */
function fieldRows(
  page: Page,
  schema: JsonObject,
  { within, of }: { readonly within: string; readonly of: "request" | "reply" },
): readonly Html[] {
  const { say } = page;
  const { required, properties } = schema;
  return Object.entries(objectOf(properties)).flatMap(([name, value]) => {
    const field = objectOf(value);
    const need = Array.isArray(required) && required.includes(name);
    const form = field["$ref"] === undefined && !isEither(field) ? formOf(field, say) : formOf({ type: "object" }, say);
    const own = html`<tr>
      <td class="name"><code>${within}${name}</code></td>
      <td class="need" data-head="${say(of === "request" ? LABELS.need : LABELS.always)}">
        ${need ? html`<span class="required">${say(LABELS.yes)}</span>` : say(LABELS.no)}
      </td>
      <td>${prose(textOf(field["description"]))}</td>
      <td class="form">${formParts(page, form)}</td>
    </tr>`;
    const inside = (mark: string): { readonly within: string; readonly of: typeof of } => ({ within: `${within}${name}${mark}`, of });
    return [own, ...fieldRows(page, objectOf(field["items"]), inside("[].")), ...fieldRows(page, field, inside("."))];
  });
}

/** One of several schemas of the document, as the `data` of a reply is. */
function isEither({ anyOf }: JsonObject): boolean {
  return Array.isArray(anyOf) && anyOf.some((one) => objectOf(one as Json)["$ref"] !== undefined);
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

export function statuses(page: Page): Html {
  const { say } = page;
  const rows = Object.entries(STATUS_WORDS).map(([status, { meaning, todo }]) =>
    row(html`<code>${status}</code>`, prose(say(meaning)), prose(say(todo))),
  );
  return html`<section>
    ${heading(page, "status")}
    <table class="stacks">
      ${head([LABELS.status, LABELS.meaning, LABELS.todo].map(say))}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

export function codeTables(page: Page): Html {
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
      ${fold(
        say(LABELS.tableC1),
        html`<table>
          ${head([LABELS.code, LABELS.name, LABELS.place, LABELS.settles].map(say))}
          <tbody>
            ${businessTypes}
          </tbody>
        </table>`,
      )}
    </section>
    <section>
      ${heading(page, "id-types")}
      ${fold(
        say(LABELS.tableC2),
        html`<table>
          ${head([LABELS.code, LABELS.name].map(say))}
          <tbody>
            ${idTypes}
          </tbody>
        </table>`,
      )}
    </section>`;
}

export function refusals(page: Page): Html {
  const { say } = page;
  const rows = Object.entries(REFUSALS).map(
    ([id, { condition, of, error, leaves }]) =>
      html`<tr id="refusal-${id}">
        <td class="name"><code>${ERRORS[error].code}</code></td>
        <td>${say(condition)}</td>
        <td>${message(page, error)}</td>
        <td data-head="${say(LABELS.operations)}">${operationLinks(page, of)}</td>
        <td data-head="${say(LABELS.leaves)}">${say(LEAVES[leaves])}</td>
      </tr>`,
  );
  const later = LATER_REFUSALS.map((error) => row(html`<code>${ERRORS[error].code}</code>`, message(page, error)));
  return html`<section>
      ${heading(page, "refusals")}
      <p>${say(REFUSALS_ABOUT)}</p>
      ${fold(
        say(LABELS.allRefusals),
        html`<table class="refusals">
          ${head([LABELS.code, LABELS.condition, LABELS.message, LABELS.operations, LABELS.leaves].map(say))}
          <tbody>
            ${rows}
          </tbody>
        </table>`,
      )}
    </section>
    <section>
      ${heading(page, "later")}
      <p>${prose(say(LATER_ABOUT))}</p>
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

export function others(page: Page): Html {
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
    <table class="stacks">
      ${head([LABELS.address, LABELS.meaning, LABELS.answers].map(say))}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}
