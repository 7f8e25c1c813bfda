/** What lies on the table: the material, the policy, and the ways to put something in. */
import type { Language, Words } from "../words.ts";
import { type Child, h } from "./dom.ts";
import { grouped } from "./facts.ts";
import type { PolicyLine, PolicySummary } from "./messages.ts";
import { type QuestionField, readQuestion, type WrittenQuestion } from "../question.ts";
import type { Item } from "./tasks.ts";
import { PAGE } from "./words.ts";

export interface InputView {
  readonly language: Language;
  readonly items: readonly Item[];
  readonly refused: readonly (readonly [string, Words])[];
  readonly policyItem: Item | undefined;
  readonly policy: PolicySummary | undefined;
  readonly isPasting: boolean;
  readonly onFiles: (files: FileList) => void;
  readonly onPaste: (text: string) => void;
  readonly onPasting: (isPasting: boolean) => void;
  readonly question: WrittenQuestion;
  readonly onQuestion: (field: QuestionField, value: string) => void;
  readonly onRemove: (id: number) => void;
  readonly onClear: () => void;
  readonly onAgain: () => void;
}

const KIND_WORDS: Readonly<Record<Item["kind"], Words>> = {
  receipt: PAGE.receipt,
  range: PAGE.range,
  checkpoint: PAGE.checkpoint,
  consistency: PAGE.consistencyProof,
  policy: PAGE.policy,
  export: PAGE.export,
};

export function inputView(view: InputView): Child {
  const t = (words: Words): string => words[view.language];
  const material = view.items.filter((item) => item.kind !== "policy");
  return [
    h(
      "section",
      { "aria-labelledby": "material-title" },
      h("h2", { id: "material-title" }, t(PAGE.material)),
      dropZone(view),
      pasteBox(view),
      refusals(view),
      list(view, material),
    ),
    view.items.some((item) => item.kind === "range") ? questionForm(view) : undefined,
    h("section", { "aria-labelledby": "policy-title" }, h("h2", { id: "policy-title" }, t(PAGE.policy)), policyView(view)),
    view.items.length === 0
      ? undefined
      : h(
          "p.actions",
          {},
          material.length === 0 ? undefined : h("button", { type: "button", id: "again", onclick: view.onAgain }, t(PAGE.again)),
          h("button", { type: "button", id: "clear", onclick: view.onClear }, t(PAGE.clear)),
        ),
  ];
}

const QUESTION_FIELDS = ["institution", "from", "to", "log"] as const;
const QUESTION_WORDS: Readonly<Record<QuestionField, Words>> = {
  institution: PAGE.institution,
  from: PAGE.askFrom,
  to: PAGE.askTo,
  log: PAGE.log,
};

/** What the auditor asked for: a range is only worth what it answers. */
function questionForm({ question, policy, language, onQuestion }: InputView): HTMLElement {
  const logs = [...new Set((policy?.lines ?? []).flatMap((line) => line.origins))];
  const read = readQuestion(question, logs);
  const wrong = read.ok || question.institution === "" ? [] : read.wrong;
  const field = (name: QuestionField): Child => {
    const id = `ask-${name}`;
    const input = h("input", {
      id,
      type: "text",
      value: question[name],
      autocomplete: "off",
      spellcheck: "false",
      ...(name === "log" ? { list: "ask-logs" } : {}),
      ...(name === "log" && logs.length === 1 ? { placeholder: logs[0] ?? "" } : {}),
      ...(wrong.includes(name) ? { "aria-invalid": "true" } : {}),
    }) as HTMLInputElement;
    input.addEventListener("change", () => onQuestion(name, input.value.trim()));
    return [h("label", { for: id }, QUESTION_WORDS[name][language]), input];
  };
  return h(
    "section",
    { "aria-labelledby": "question-title" },
    h("h2", { id: "question-title" }, PAGE.question[language]),
    h("p.hint", {}, PAGE.questionHint[language]),
    h("div.ask", {}, ...QUESTION_FIELDS.map(field), h("datalist", { id: "ask-logs" }, ...logs.map((log) => h("option", { value: log })))),
    wrong.length === 0
      ? undefined
      : h(
          "p.refused",
          { role: "alert" },
          `${PAGE.questionBad[language]}: ${wrong.map((name) => QUESTION_WORDS[name][language]).join(" · ")}`,
        ),
  );
}

function dropZone(view: InputView): HTMLElement {
  const t = (words: Words): string => words[view.language];
  return h(
    "div.drop",
    {},
    h("p.drop-here", {}, t(PAGE.dropHere)),
    h("p.hint", {}, t(PAGE.dropHint)),
    h(
      "p.pickers",
      {},
      picker("files", t(PAGE.chooseFiles), { multiple: true }, view.onFiles),
      picker("folder", t(PAGE.chooseFolder), { webkitdirectory: true }, view.onFiles),
      h(
        "button",
        { type: "button", id: "paste", "aria-expanded": String(view.isPasting), onclick: () => view.onPasting(!view.isPasting) },
        t(PAGE.paste),
      ),
    ),
  );
}

/** A button that opens the browser's own dialogue: the bare control cannot be worded in another language. */
function picker(id: string, label: string, kind: { readonly [name: string]: boolean }, onFiles: (files: FileList) => void): Child {
  const input = h("input", { type: "file", id: `${id}-input`, tabindex: "-1", "aria-hidden": "true", ...kind }) as HTMLInputElement;
  input.addEventListener("change", () => {
    if (input.files !== null && input.files.length > 0) onFiles(input.files);
  });
  return [input, h("button", { type: "button", id, onclick: () => input.click() }, label)];
}

function pasteBox(view: InputView): HTMLElement | undefined {
  if (!view.isPasting) return undefined;
  const area = h("textarea", { id: "paste-text", rows: "8", spellcheck: "false" }) as HTMLTextAreaElement;
  return h(
    "div.paste",
    {},
    h("label", { for: "paste-text" }, PAGE.pasteLabel[view.language]),
    area,
    h("button.primary", { type: "button", id: "paste-take", onclick: () => view.onPaste(area.value) }, PAGE.pasteTake[view.language]),
  );
}

function refusals(view: InputView): Child {
  return view.refused.map(([name, why]) => h("p.refused", { role: "alert" }, h("span.name", {}, name), `: ${why[view.language]}`));
}

function list(view: InputView, items: readonly Item[]): HTMLElement | undefined {
  if (items.length === 0) return undefined;
  return h("ul.items", {}, ...items.map((item) => h("li", {}, itemView(item, view))));
}

function itemView(item: Item, { language, onRemove }: InputView): Child {
  const size =
    item.kind === "export"
      ? `${PAGE.files[language]} ${grouped(item.files.length)}`
      : `${PAGE.bytes[language]} ${grouped(item.bytes.length)}`;
  const left =
    item.kind === "export" && item.systemFiles > 0 ? PAGE.systemFiles[language].replace("{n}", String(item.systemFiles)) : undefined;
  return [
    h(
      "div",
      {},
      h("span.item-kind", {}, KIND_WORDS[item.kind][language]),
      h("span.name", {}, item.name),
      h("span.hint", {}, size),
      left === undefined ? undefined : h("span.hint", {}, left),
    ),
    h(
      "button.plain",
      { type: "button", id: `remove-${item.id}`, "aria-label": `${PAGE.remove[language]} ${item.name}`, onclick: () => onRemove(item.id) },
      PAGE.remove[language],
    ),
  ];
}

function policyView(view: InputView): Child {
  const { policy, policyItem, language } = view;
  if (policyItem === undefined) return h("p.hint", {}, PAGE.policyNone[language]);
  return [
    h("ul.items", {}, h("li", {}, itemView(policyItem, view))),
    policy === undefined
      ? undefined
      : policy.trouble === undefined
        ? policyTable(policy, language)
        : h("p.refused", { role: "alert" }, `${PAGE.policyBad[language]}: ${policy.trouble}`),
  ];
}

function policyTable({ lines, quorum, sm3 }: PolicySummary, language: Language): Child {
  const row = (line: PolicyLine): HTMLElement =>
    h(
      "li",
      {},
      h("span.item-kind", {}, line.role === "log" ? PAGE.logKey[language] : PAGE.witness[language]),
      h("code", {}, `${line.name}+${line.id}`),
      line.role === "witness" ? undefined : h("span.hint", {}, line.origins.length === 0 ? PAGE.anyLog[language] : line.origins.join(" ")),
      line.sizes === undefined ? undefined : h("span.hint", {}, `${PAGE.sizes[language]} ${line.sizes}`),
    );
  return [
    h("ul.keys", {}, ...lines.map(row)),
    h("p.hint", {}, `${PAGE.quorum[language]}: ${quorum === "" ? PAGE.noQuorum[language] : quorum}`),
    h("p.hint", {}, "SM3 ", h("code", {}, sm3)),
  ];
}
