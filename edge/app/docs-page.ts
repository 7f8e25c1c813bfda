/** A page to read the API by: the OpenAPI document as plain HTML, without script or network. */
import { html, raw } from "hono/html";
import type { Json, JsonObject } from "./openapi.ts";

type Html = ReturnType<typeof html>;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: 1rem }
code { font: 0.9em ui-monospace, monospace } table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 }
th, td { text-align: left; padding: 0.3rem 0.6rem; border-bottom: 1px solid #d0d7de; vertical-align: top }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } h2, th, td { border-color: #30363d } a { color: #58a6ff } }`;

export function docsPage(document: JsonObject): Html {
  const info = objectOf(document["info"]);
  const operations = Object.entries(objectOf(document["paths"])).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, operation]) => operationSection(method, path, objectOf(operation))),
  );
  const schemas = Object.entries(objectOf(objectOf(document["components"])["schemas"])).map(([name, schema]) =>
    schemaSection(name, objectOf(schema)),
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${textOf(info["title"])}</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>${textOf(info["title"])}</h1>
        <p>${textOf(info["description"])}</p>
        <p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>
        ${operations}${schemas}
      </body>
    </html>`;
}

function operationSection(method: string, path: string, operation: JsonObject): Html {
  const body = propertiesOf(objectOf(objectOf(objectOf(operation["requestBody"])["content"])["application/json"])["schema"]);
  return html`<section>
    <h2><code>${method.toUpperCase()} ${path}</code></h2>
    <p>${textOf(operation["summary"])}. ${textOf(operation["description"])}</p>
    ${body}
  </section>`;
}

function schemaSection(name: string, schema: JsonObject): Html {
  return html`<section id="${name}">
    <h2>${name}</h2>
    ${propertiesOf(schema)}
  </section>`;
}

function propertiesOf(schema: Json | undefined): Html | string {
  const { required, properties } = objectOf(schema);
  const names = Object.entries(objectOf(properties));
  if (names.length === 0) return "";
  const mandatory = new Set(Array.isArray(required) ? required : []);
  const rows = names.map(
    ([name, value]) =>
      html`<tr>
        <td><code>${name}</code></td>
        <td>${mandatory.has(name) ? "required" : "optional"}</td>
        <td>${describe(objectOf(value))}</td>
      </tr>`,
  );
  return html`<table>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}

/** Type, bounds and text of one member, in a line. */
function describe(schema: JsonObject): Html {
  const reference = textOf(schema["$ref"]).split("/").pop() ?? "";
  const facts = ["type", "pattern", "minLength", "maxLength", "enum"]
    .filter((key) => schema[key] !== undefined && !(key === "type" && reference !== ""))
    .map((key) => (key === "type" ? textOf(schema[key]) : `${key} ${textOf(schema[key])}`))
    .join(", ");
  const link = reference === "" ? "" : html`<a href="#${reference}">${reference}</a> `;
  return html`${link}${textOf(schema["description"])} <code>${facts}</code>`;
}

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function textOf(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
