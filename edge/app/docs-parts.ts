/** The smallest pieces of `/docs`. Whatever is put between the tags is escaped by Hono's `html`. */
import { html } from "hono/html";
import { HEADINGS } from "./docs-prose.ts";
import type { JsonObject } from "./openapi.ts";
import type { Language, Say } from "./words.ts";

export type Html = ReturnType<typeof html>;

/** What a section is written from. */
export interface Page {
  readonly language: Language;
  readonly say: Say;
  readonly document: JsonObject;
}

export function heading({ say }: Page, anchor: keyof typeof HEADINGS): Html {
  return html`<h2 id="${anchor}">${say(HEADINGS[anchor])}</h2>`;
}

/** Words in which `this` is code, as in Markdown. */
export function prose(text: string): readonly (Html | string)[] {
  return text.split("`").map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part));
}

export function head(titles: readonly string[]): Html {
  return html`<thead>
    <tr>
      ${titles.map((title) => html`<th scope="col">${title}</th>`)}
    </tr>
  </thead>`;
}

export function row(...cells: readonly (Html | string | readonly (Html | string)[])[]): Html {
  return html`<tr>
    ${cells.map((cell) => html`<td>${cell}</td>`)}
  </tr>`;
}

/** A part that opens when it is wanted, or when a link leads into it: the page stays short enough to be read. */
export function fold(title: string, content: Html | readonly Html[]): Html {
  return html`<details>
    <summary><h3>${title}</h3></summary>
    ${content}
  </details>`;
}

export function block(text: string): Html {
  return html`<pre><code>${text}</code></pre>`;
}

export function pretty(value: object): string {
  return JSON.stringify(value, undefined, 2);
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
