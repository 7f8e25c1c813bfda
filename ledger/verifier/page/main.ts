/** The page: takes what is dropped, hands it to the worker, shows what the worker found. Nothing leaves the machine. */
import { toHex } from "../bytes.ts";
import type { Language, Words } from "../words.ts";
import type { WrittenQuestion } from "../question.ts";
import { VERDICT_WORDS } from "../words.ts";
import { h, replace } from "./dom.ts";
import { type Dropped, readEntries, readList, readPasted, takeEntries } from "./drop.ts";
import { grouped } from "./facts.ts";
import { inputView } from "./input-view.ts";
import type { FromWorker, Outcome, PolicySummary, ToWorker } from "./messages.ts";
import { reportView, verdictOfAll } from "./report-view.ts";
import { SHELL } from "./shell.ts";
import { type Item, policyOf, tasksOf } from "./tasks.ts";
import { PAGE } from "./words.ts";

const self = document.currentScript;

interface State {
  language: Language;
  items: readonly Item[];
  /** Names of what was not taken, with why. */
  refused: readonly (readonly [string, Words])[];
  policy: PolicySummary | undefined;
  fit: "loading" | "ready" | "unfit";
  pageSm3: string;
  run: { readonly id: number; readonly done: number; readonly total: number } | undefined;
  result: { readonly outcomes: readonly Outcome[]; readonly madeAtMs: number; readonly policySm3: string | undefined } | undefined;
  isPasting: boolean;
  question: WrittenQuestion;
}

const state: State = {
  language: "zh",
  items: [],
  refused: [],
  policy: undefined,
  fit: "loading",
  pageSm3: "",
  run: undefined,
  result: undefined,
  isPasting: false,
  question: { log: "", institution: "", from: "", to: "" },
};
let lastId = 0;
const nextId = (): number => (lastId += 1);
const t = (words: Words): string => words[state.language];

function textOf(id: string): string {
  return document.querySelector(`#${id}`)?.textContent ?? "";
}

/** The text of this very file, from the parts that the browser still holds unchanged. */
function ownText(): string {
  const csp = document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute("content") ?? "";
  const parts = [csp, textOf("style"), textOf("wasm"), textOf("worker"), self?.textContent ?? ""];
  return SHELL.map((piece, at) => piece + (parts[at] ?? "")).join("");
}

const worker = new Worker(URL.createObjectURL(new Blob([textOf("worker")], { type: "text/javascript" })));
const send = (message: ToWorker): void => worker.postMessage(message, []);

worker.onmessage = (event: MessageEvent<FromWorker>): void => {
  const message = event.data;
  switch (message.type) {
    case "ready":
      state.fit = "ready";
      state.pageSm3 = message.pageSm3;
      verify();
      break;
    case "unfit":
      state.fit = "unfit";
      break;
    case "policy":
      if (message.id === policyOf(state.items)?.id) state.policy = message.summary;
      break;
    case "progress":
      if (state.run?.id !== message.id) return;
      state.run = { id: message.id, done: message.done, total: message.total };
      return showProgress();
    case "done":
      if (state.run?.id !== message.id) return;
      state.run = undefined;
      state.result = {
        outcomes: message.outcomes,
        madeAtMs: Date.now(),
        policySm3: policyOf(state.items) === undefined ? undefined : state.policy?.sm3,
      };
      break;
    default:
      message satisfies never;
  }
  show();
};
worker.onerror = (): void => {
  state.fit = "unfit";
  show();
};

function take(dropped: readonly Dropped[]): void {
  for (const one of dropped) {
    if (one.kind === "refused") state.refused = [...state.refused, [one.name, PAGE[one.why]]];
    else if (!state.items.some((item) => isSame(item, one))) state.items = [...state.items, { ...one, id: nextId() }];
  }
  changed();
}

function isSame(item: Item, dropped: Dropped): boolean {
  if (item.kind === "export" || dropped.kind === "export" || dropped.kind === "refused") return false;
  return item.kind === dropped.kind && toHex(item.bytes) === toHex(dropped.bytes);
}

function remove(id: number): void {
  state.items = state.items.filter((item) => item.id !== id);
  changed();
}

/** Other material, other verdict: what was shown no longer holds. */
function changed(): void {
  const policy = policyOf(state.items);
  state.policy = undefined;
  if (policy !== undefined) send({ type: "policy", id: policy.id, bytes: policy.bytes });
  verify();
  show();
}

function verify(): void {
  cancel();
  state.result = undefined;
  state.run = undefined;
  const tasks = tasksOf(state.items);
  if (tasks.length === 0 || state.fit !== "ready") return;
  state.run = { id: nextId(), done: 0, total: 0 };
  send({ type: "verify", id: state.run.id, tasks, policy: policyOf(state.items)?.bytes, question: state.question });
}

/** The worker still reports, as incomplete, what it had looked at. */
function cancel(): void {
  if (state.run !== undefined) send({ type: "cancel", id: state.run.id });
}

/** Spoken by screen readers whenever it changes. */
function announce(): void {
  const status = document.querySelector("#status");
  const words = state.result === undefined ? "" : t(VERDICT_WORDS[verdictOfAll(state.result.outcomes)].title);
  if (status !== null && status.textContent !== words) status.textContent = words;
}

function show(): void {
  const { language } = state;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = t(PAGE.title);
  announce();
  const focused = document.activeElement?.id ?? "";
  replace(
    document.querySelector("#head") as Element,
    h("div", {}, h("h1", {}, t(PAGE.title)), h("p", {}, t(PAGE.subtitle))),
    h(
      "div.language",
      { role: "group", "aria-label": t(PAGE.language) },
      ...(["zh", "en"] as const).map((one) =>
        h(
          "button",
          {
            type: "button",
            id: `language-${one}`,
            lang: one === "zh" ? "zh-CN" : "en",
            "aria-pressed": String(one === language),
            onclick: () => {
              state.language = one;
              show();
            },
          },
          one === "zh" ? "中文" : "English",
        ),
      ),
    ),
  );
  replace(
    document.querySelector("#input") as Element,
    inputView({
      ...state,
      policyItem: policyOf(state.items),
      onFiles: (files) => void readList(files).then(take),
      onPaste: (text) => {
        state.isPasting = false;
        take([readPasted(text, t(PAGE.pasted))]);
      },
      onPasting: (isPasting) => {
        state.isPasting = isPasting;
        show();
        if (isPasting) document.querySelector<HTMLElement>("#paste-text")?.focus();
      },
      onQuestion: (field, value) => {
        if (state.question[field] === value) return;
        state.question = { ...state.question, [field]: value };
        verify();
        show();
      },
      onRemove: remove,
      onClear: () => {
        state.items = [];
        state.refused = [];
        changed();
      },
      onAgain: () => {
        verify();
        show();
      },
    }),
  );
  replace(document.querySelector("#result") as Element, ...resultView());
  if (focused !== "") document.querySelector<HTMLElement>(`#${CSS.escape(focused)}`)?.focus();
}

function resultView(): readonly HTMLElement[] {
  if (state.fit === "unfit") return [h("p.unfit", { role: "alert" }, t(PAGE.unfit))];
  if (state.run !== undefined) return [progressView()];
  if (state.result !== undefined)
    return [
      reportView(state.result.outcomes, { ...state.result, language: state.language, pageSm3: state.pageSm3, print: () => window.print() }),
    ];
  return [
    h(
      "section.empty",
      {},
      h("h2", {}, t(state.fit === "loading" ? PAGE.loading : PAGE.emptyTitle)),
      h("ol", {}, ...[PAGE.step1, PAGE.step2, PAGE.step3].map((step) => h("li", {}, t(step)))),
      h("p.limits", {}, h("strong", {}, t(PAGE.limits)), " ", t(PAGE.limitsText)),
      state.pageSm3 === ""
        ? undefined
        : h("p.page-line", {}, `${t(PAGE.pageHash)} · ${t(PAGE.pageHashHint)}`, h("br"), h("code.page-hash", {}, state.pageSm3)),
    ),
  ];
}

function progressText(): string {
  const { done = 0, total = 0 } = state.run ?? {};
  return total === 0 ? t(PAGE.working) : t(PAGE.progress).replace("{done}", grouped(done)).replace("{total}", grouped(total));
}

function progressView(): HTMLElement {
  const { done = 0, total = 0 } = state.run ?? {};
  return h(
    "section.working",
    {},
    h("h2", {}, t(PAGE.working)),
    h("progress", { id: "progress", "aria-label": t(PAGE.working), ...(total === 0 ? {} : { max: String(total), value: String(done) }) }),
    h("p", { id: "progress-text" }, progressText()),
    h("button", { type: "button", id: "cancel", onclick: cancel }, t(PAGE.cancel)),
  );
}

/** Only what moves: the rest of the page keeps its focus. */
function showProgress(): void {
  const bar = document.querySelector("#progress");
  const text = document.querySelector("#progress-text");
  if (bar === null || text === null || state.run === undefined) return;
  bar.setAttribute("max", String(state.run.total));
  bar.setAttribute("value", String(state.run.done));
  text.textContent = progressText();
}

/** A file may be dropped anywhere. */
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const { items } = event.dataTransfer ?? {};
  if (items !== undefined) void readEntries(takeEntries(items)).then(take);
});
document.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (event.target instanceof HTMLTextAreaElement || text.trim() === "") return;
  event.preventDefault();
  take([readPasted(text, t(PAGE.pasted))]);
});
/** Paper cannot be unfolded. */
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});

show();
send({ type: "start", wasm: textOf("wasm").trim(), page: ownText() });
