import { Hono } from "hono";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { zaInput } from "../../core/crypto/curve.ts";
import { loadCrypto } from "../../core/crypto/index.ts";
import { SM2_DEFAULT_USER_ID } from "../../core/crypto/port.ts";
import { concatBytes, fromHex, toHex, toUpperHex, utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { openEnvelope, openReply, type PartnerProfile, readEnvelope } from "../../core/protocol/envelope.ts";
import { ERRORS } from "../../core/protocol/errors.ts";
import { jsonObjectOf } from "../../core/protocol/json.ts";
import { deriveDataKey, encryptData } from "../../core/protocol/key-derivation.ts";
import { type OperationName, OPERATIONS } from "../../core/protocol/operations.ts";
import { signText } from "../../core/protocol/sign-text.ts";
import { BUSINESS_TYPES, ID_TYPES } from "../../core/protocol/tables.ts";
import { parseCst14 } from "../../core/protocol/time.ts";
import { LATER_REFUSALS, REFUSALS } from "../refusals.ts";
import { docsLanguage, docsPage, docsPolicy } from "./docs-page.ts";
import { prose } from "./docs-parts.ts";
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
import { type Json, objectOf, openApiDocument, operationNames, replyName, requestName } from "./openapi.ts";
import { type Language, sayBoth, sayIn, words } from "./words.ts";

const LANGUAGES: readonly Language[] = ["zh", "en"];
const pages = { zh: String(await docsPage("zh")), en: String(await docsPage("en")) };
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
/** What a reader sees of words in which code stands between backticks. */
const seen = (text: string): string =>
  prose(text)
    .map(String)
    .map((part) => (part.startsWith("<code>") ? part : escaped(part)))
    .join("");
const schemaOf = (language: Language, name: string): Json | undefined =>
  objectOf(objectOf(openApiDocument(sayIn(language))["components"])["schemas"] as Json)[name];
const sectionOf = (language: Language, id: string): string => {
  const from = pages[language].indexOf(`<h2 id="${id}">`);
  return pages[language].slice(from, pages[language].indexOf("</section>", from));
};

describe.each(LANGUAGES)("the page in %s", (language) => {
  const page = pages[language];
  const say = sayIn(language);

  test.each(operationNames())("has %s with every field of its request and reply, its meaning, and an example", (name) => {
    const section = sectionOf(language, name);
    expect(section).toContain(`POST /v1/${name}`);
    for (const schema of [requestName(name), replyName(name)]) {
      const fields = Object.entries(objectOf(objectOf(schemaOf(language, schema))["properties"]));
      expect(fields.length).toBeGreaterThan(0);
      for (const [field, form] of fields) {
        const members = Object.entries(objectOf(objectOf(objectOf(form)["items"])["properties"]));
        for (const [shown, said] of [[field, form] as const, ...members.map(([member, its]) => [`${field}[].${member}`, its] as const)]) {
          const at = section.indexOf(`<td class="name"><code>${shown}</code></td>`);
          expect(at, `${schema}.${shown}`).toBeGreaterThan(0);
          expect(section).toContain(seen(String(objectOf(said)["description"])));
        }
      }
    }
    for (const example of Object.values(EXAMPLES[name])) expect(section).toContain(escaped(JSON.stringify(example, undefined, 2)));
  });

  test("has every refusal with its code, condition and message, in the order in which the edge looks", () => {
    let at = 0;
    for (const [id, { condition, error }] of Object.entries(REFUSALS)) {
      const next = page.indexOf(`<tr id="refusal-${id}">`);
      expect(next, id).toBeGreaterThan(at);
      at = next;
      const row = page.slice(at, page.indexOf("</tr>", at));
      for (const text of [`<code>${ERRORS[error].code}</code>`, escaped(say(condition)), ERRORS[error].message])
        expect(row).toContain(text);
      if (language === "en") expect(row).toContain(escaped(ERRORS[error].english));
    }
    const later = sectionOf(language, "later");
    for (const error of LATER_REFUSALS) expect(later).toContain(ERRORS[error].message);
  });

  test("explains the envelope once, with a whole request and its replies", () => {
    for (const whole of [EXAMPLE_REQUEST, EXAMPLE_REPLY, EXAMPLE_REFUSAL])
      expect(page).toContain(escaped(JSON.stringify(whole, undefined, 2)));
    expect(page.split('<td class="name"><code>signData</code></td>')).toHaveLength(3);
    expect(page).toContain(escaped(EXAMPLE_STEPS.signText));
  });

  test("lists every business type and kind of document", () => {
    for (const code of BUSINESS_TYPES) expect(sectionOf(language, "business-types")).toContain(`<code>${code}</code>`);
    for (const [code, name] of Object.entries(ID_TYPES)) expect(sectionOf(language, "id-types")).toMatch(new RegExp(`${code}[^]*${name}`));
  });

  test("says which language it is in, and links to the other", () => {
    expect(page).toContain(language === "zh" ? '<html lang="zh-CN">' : '<html lang="en">');
    expect(page).toContain(language === "zh" ? 'href="/docs?lang=en"' : 'href="/docs"');
  });

  test("every link within it has its target, and no anchor stands twice", () => {
    const anchors = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(anchors).size).toBe(anchors.length);
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(targets.length).toBeGreaterThan(10);
    for (const target of targets) expect(anchors).toContain(target);
  });

  test("is well-formed, loads nothing and runs nothing", () => {
    expect(unclosed(page)).toEqual([]);
    expect(page).not.toMatch(/<script|<link|<img|<iframe| on[a-z]+=|javascript:|https?:\/\//i);
    expect(page).toContain(`<style>${STYLE}</style>`);
    // Between tags no bare `<`, and no `&` that begins no entity: what was put in was escaped.
    const text = page
      .replace(`<style>${STYLE}</style>`, "")
      .replaceAll(/<!doctype html>|<\/?[a-z][a-z0-9]*(?: [a-z-]+="[^"<>]*")* ?\/?>/g, "");
    expect(text).not.toMatch(/[<>]|&(?!(?:amp|lt|gt|quot|#39);)/);
    expect(text).not.toContain("`");
  });
});

describe("the languages", () => {
  test("Chinese is for everyone who does not ask for English", () => {
    expect(["en", undefined, "", "zh", "EN", '"><script>'].map(docsLanguage)).toEqual(["en", "zh", "zh", "zh", "zh", "zh"]);
  });

  test("the OpenAPI document carries both, the page one of them", () => {
    expect(sayBoth(words("结算", "Settle"))).toBe("结算 / Settle");
    const both = JSON.stringify(openApiDocument());
    for (const language of LANGUAGES)
      for (const { description } of descriptionsOf(openApiDocument(sayIn(language))))
        expect(both).toContain(JSON.stringify(description).slice(1, -1));
    expect(pages.en.replaceAll(/<span lang="zh-CN">[^<]*<\/span>|<a [^>]*>中文<\/a>|<pre>[^]*?<\/pre>/g, "")).not.toMatch(
      /\p{Script=Han}/u,
    );
  });

  test("what is put into the page is escaped, also within words that hold code", async () => {
    const app = new Hono();
    const { block, row } = await import("./docs-parts.ts");
    app.get("/", (c) => c.html(row(prose("a <b> `<i>&`"), block('"</code>'))));
    const body = await (await app.request("/")).text();
    expect(body).toContain("a &lt;b&gt; <code>&lt;i&gt;&amp;</code>");
    expect(body).toContain("<pre><code>&quot;&lt;/code&gt;</code></pre>");
  });

  test("the policy lets the page's own style in, by hash, and no script", async () => {
    const hash = Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE))).toString("base64");
    const policy = await docsPolicy();
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${hash}'`);
    expect(policy).not.toMatch(/script-src|unsafe/);
  });
});

describe("the examples", () => {
  test.each(operationNames())("the request data of %s is taken by its schema", (name: OperationName) => {
    expect(v.safeParse(OPERATIONS[name], EXAMPLES[name].request).issues).toBeUndefined();
  });

  test("the whole request opens, its replies verify, and each step on the way is as printed", async () => {
    const key = await loadCrypto();
    const { appId, appSecret, publicKey } = EXAMPLE_PARTNER;
    const partner: PartnerProfile = {
      appId,
      appSecret,
      dialect: "standard",
      signType: "SM2",
      encryption: "optional",
      publicKeys: [fromHex(publicKey) ?? new Uint8Array()],
    };
    const nowMs = parseCst14(EXAMPLE_REQUEST.timestamp) ?? 0;
    const raw = readEnvelope(JSON.stringify(EXAMPLE_REQUEST));
    const opened = raw.ok ? openEnvelope(key, raw.value, partner, { nowMs }) : raw;
    expect(opened).toMatchObject({ ok: true, value: { transType: EXAMPLE_OPERATION, data: EXAMPLE_REQUEST.data } });
    for (const reply of [EXAMPLE_REPLY, EXAMPLE_REFUSAL])
      expect(openReply(key, JSON.stringify(reply), partner, { nowMs })).toMatchObject({
        ok: true,
        value: { code: reply.code, data: reply.data },
      });
    expect(EXAMPLE_REFUSAL).toMatchObject(pick(ERRORS.amountInvalid));

    const { signData: _signature, ...unsigned } = EXAMPLE_REQUEST;
    const text = signText(jsonObjectOf(unsigned), "standard", appSecret) ?? "";
    const dataKey = deriveDataKey(key, partner);
    const za = key.sm3(zaInput(fromHex(publicKey) ?? new Uint8Array(), SM2_DEFAULT_USER_ID));
    expect(EXAMPLE_STEPS).toEqual({
      signText: text,
      za: toUpperHex(za),
      digest: toUpperHex(key.sm3(concatBytes(za, utf8(text)))),
      wrappedSecret: toUpperHex(key.sm4EcbEncrypt(utf8(appId.slice(0, 16)), utf8(appSecret), "pkcs7")),
      sm3OfSignText: toUpperHex(key.sm3(utf8(text))),
      dataKey: utf8Text(dataKey),
      encData: encryptData(key, dataKey, JSON.stringify(EXAMPLE_REQUEST.data)),
    });
    expect(toHex(dataKey)).toHaveLength(32);
    const own = key.sm2Sign(fromHex(EXAMPLE_PARTNER.privateKey) ?? new Uint8Array(), utf8(text));
    expect(key.sm2Verify(fromHex(publicKey) ?? new Uint8Array(), utf8(text), own)).toBe(true);
  });
});

function pick({ code, message }: { readonly code: string; readonly message: string }): object {
  return { code, message };
}

/** Every `description` of a document, at any depth. */
function descriptionsOf(value: Json): readonly { readonly description: string }[] {
  if (Array.isArray(value)) return value.flatMap(descriptionsOf);
  return Object.entries(objectOf(value)).flatMap(([name, inner]) =>
    name === "description" && typeof inner === "string" ? [{ description: inner }] : descriptionsOf(inner),
  );
}

/** Elements that were opened and not closed in order. */
function unclosed(page: string): readonly string[] {
  const open: string[] = [];
  for (const [, slash, name = ""] of page.replace(STYLE, "").matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
    if (name === "meta") continue;
    if (slash === "") open.push(name);
    else if (open.pop() !== name) return [name];
  }
  return open;
}

test.each(LANGUAGES)("a field's form is said in words, and no expression is left for a reader to decipher: %s", (language) => {
  expect(pages[language].match(/<code>\^[^<]*\$<\/code>/g) ?? []).toEqual([]);
});
