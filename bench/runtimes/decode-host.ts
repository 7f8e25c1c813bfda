/** Decodes on the runtime that runs this file, when it is told to. */
import { loadCrypto } from "../../core/crypto/index.ts";
import { answering } from "../../edge/testing/runtimes/wire.ts";
import { makeStreet, prepareDecodes } from "../edge-street.ts";

const { listen } = await (process.versions["deno"] === undefined
  ? import("../../edge/node/listen.ts")
  : import("../../edge/deno/listen.ts"));
const crypto = await loadCrypto();
const inside = await prepareDecodes(crypto, makeStreet(crypto), Number(process.argv[2]), true);
const server = await listen(
  answering(() => ({ inside })),
  { host: "127.0.0.1", port: 0 },
);
console.log(server.url);
