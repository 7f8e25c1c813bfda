/** Elements without markup in strings: nothing that was verified, or was not, is ever read as HTML, or steers what is shown. */
import { escaped } from "../escape.ts";

export type Child = Node | string | readonly Child[] | undefined;

interface Attributes {
  readonly [name: string]: string | boolean | (() => void) | undefined;
}

/** `h("button.plain", { onclick }, "…")`: a tag with its classes, attributes and handlers, children. */
export function h(tag: string, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElement {
  const [name = "div", ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (typeof value === "string") element.setAttribute(key, value);
  }
  append(element, children);
  return element;
}

function append(element: HTMLElement, children: readonly Child[]): void {
  for (const child of children) {
    if (child === undefined) continue;
    if (typeof child === "string") element.append(escaped(child));
    else if (child instanceof Node) element.append(child);
    else append(element, child);
  }
}

export function replace(element: Element, ...children: readonly Child[]): void {
  const holder = h("div", {}, ...children);
  element.replaceChildren(...holder.childNodes);
}
