/** `node core/http/generate.ts`: writes docs/generated/channel-openapi.json. */
import { writeFile } from "node:fs/promises";
import { channelOpenApi } from "./channel-openapi.ts";

/** The text of the committed document. */
export function channelOpenApiText(): string {
  return `${JSON.stringify(channelOpenApi(), undefined, 2)}\n`;
}

if (import.meta.main) await writeFile(new URL("../../docs/generated/channel-openapi.json", import.meta.url), channelOpenApiText());
