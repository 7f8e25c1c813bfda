import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { OPERATIONS } from "../core/protocol/operations.ts";
import { openApiDocument } from "./app/openapi.ts";
import { openApiText, withGeneratedParts } from "./generate.ts";

const read = (path: string): Promise<string> => readFile(new URL(`../docs/${path}`, import.meta.url), "utf8");

describe("what is written about the API", () => {
  test("docs/generated/openapi.json is what the schemas give (else: node edge/generate.ts)", async () => {
    expect(await read("generated/openapi.json")).toBe(openApiText());
  });

  test("docs/api.md has the table of refusals that the edge obeys (else: node edge/generate.ts)", async () => {
    const page = await read("api.md");
    expect(page).toContain("| A negative amount |");
    expect(page).toBe(withGeneratedParts(page));
  });

  test.each(Object.entries(OPERATIONS))("docs/api.md has an example of %s that its schema takes", async (name, schema) => {
    const example = new RegExp(`\`\`\`json ${name.replace(".", "\\.")}\n([\\s\\S]*?)\`\`\``).exec(await read("api.md"))?.[1];
    const parsed = v.safeParse(schema, JSON.parse((example ?? "null").replace("<the scanned text>", "28123456789012345678")));
    expect(parsed.issues).toBeUndefined();
  });

  test("the document names every operation, its strict request and its reply", () => {
    const document = openApiDocument();
    for (const name of Object.keys(OPERATIONS)) expect(document["paths"]).toHaveProperty([`/v1/${name}`, "post"]);
    expect(document).toMatchObject({
      components: {
        schemas: {
          SettleRequest: {
            type: "object",
            additionalProperties: false,
            properties: { termIp: { anyOf: [{ format: "ipv4" }, { format: "ipv6" }] } },
          },
        },
      },
    });
  });
});
