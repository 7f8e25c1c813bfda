/**
 * Makes `golden/` once, and the worked example of `FORMAT.md` from it: `node ledger/testing/example.ts`. Golden files are
 * kept for ever: a later version that cannot verify them has broken somebody's evidence. An existing file is never written again.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { EventMs } from "../../core/protocol/time.ts";
import { encodeLeaf } from "../leaf-encoder.ts";
import { Prover } from "../prover.ts";
import { TileEdge, tilePlace } from "../tiles.ts";
import { toHex, utf8 } from "../verifier/bytes.ts";
import { commitmentHash, decodeLeaf, type Leaf, type Opening } from "../verifier/leaf.ts";
import { printCheckpointBody, printSignature } from "../verifier/note.ts";
import { printPolicy } from "../verifier/policy.ts";
import { printReceipt } from "../verifier/receipt.ts";
import { treeHasher } from "../verifier/tree.ts";
import { AT, crypto, draft, testSigner } from "./platform.ts";

const golden = new URL("../golden/", import.meta.url);
const format = new URL("../FORMAT.md", import.meta.url);
const hasher = treeHasher(crypto.sm3);
const EXAMPLE_BEGIN = "<!-- example: written by testing/example.ts -->\n";
const EXAMPLE_END = "<!-- end of example -->\n";

export const EXAMPLE_ORIGIN = "log.example/settlement-0";
/** In the open for tests: trust it for nothing. */
const signer = testSigner(0x11, "log.example");

/** The personal field of the example's second entry. */
export const EXAMPLE_OPENING: Opening = { name: "name", salt: Uint8Array.from({ length: 16 }, (_, at) => at), value: "张三" };

/** The three entries of the worked example. */
export function exampleLeaves(): readonly Uint8Array[] {
  const bodies: readonly Omit<Leaf, "origin" | "index" | "previous">[] = [
    { postedMs: 1_790_000_000_000n, kind: "log.opened", outcome: "accepted", actor: "core" },
    {
      postedMs: 1_790_000_000_250n,
      kind: "settlement.settled",
      outcome: "accepted",
      actor: "edge/1",
      institution: "H51001",
      subject: "H51001/T1",
      requestHash: crypto.sm3(utf8("request")),
      provenance: { topic: "settlement.request.submitted.v1", partition: 0, offset: 7n, recordHash: crypto.sm3(utf8("record")) },
      facts: [
        { name: "fen.bank.cash", value: "2850" },
        { name: "fen.insurance.hifp_pay", value: "10000" },
      ],
      commitments: [{ name: "name", hash: commitmentHash(crypto.sm3, { origin: EXAMPLE_ORIGIN, index: 1n }, EXAMPLE_OPENING) }],
    },
    {
      postedMs: 1_790_000_000_250n,
      kind: "settlement.refused",
      outcome: "refused",
      code: "600041",
      actor: "edge/1",
      institution: "H51001",
      subject: "",
    },
  ];
  const leaves: Uint8Array[] = [];
  for (const [at, body] of bodies.entries()) {
    const before = leaves.at(-1);
    leaves.push(
      encodeLeaf({ ...body, origin: EXAMPLE_ORIGIN, index: BigInt(at), previous: before === undefined ? undefined : hasher.leaf(before) }),
    );
  }
  return leaves;
}

/** Forty entries that between them use every field. */
function fortyLeaves(): readonly Uint8Array[] {
  const leaves: Uint8Array[] = [];
  for (let n = 0; n < 40; n += 1) {
    const { facts = {}, personal = {}, ...rest } = draft(n);
    const place = { origin: EXAMPLE_ORIGIN, index: BigInt(n) };
    const before = leaves.at(-1);
    leaves.push(
      encodeLeaf({
        ...rest,
        ...place,
        previous: before === undefined ? undefined : hasher.leaf(before),
        postedMs: BigInt((AT + 1_000 * n) as EventMs),
        facts: sorted(facts).map(([name, value]) => ({ name, value })),
        commitments: sorted(personal).map(([name, value]) => ({
          name,
          hash: commitmentHash(crypto.sm3, place, { name, value, salt: crypto.random(16) }),
        })),
      }),
    );
  }
  return leaves;
}

function sorted(record: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

async function noteOver(leaves: readonly Uint8Array[]): Promise<string> {
  const edge = edgeOf(leaves);
  const text = printCheckpointBody({ origin: EXAMPLE_ORIGIN, size: BigInt(leaves.length), root: edge.root() });
  return `${text}\n${printSignature(signer.trusted, await signer.sign(utf8(text)))}`;
}

async function receiptFor(
  leaves: readonly Uint8Array[],
  index: number,
  checkpoint: string,
  openings: readonly Opening[] = [],
): Promise<string> {
  const edge = edgeOf(leaves);
  const prover = new Prover(hasher, (height, at) => {
    const place = tilePlace(height, at);
    const tile = edge.unfinished(place.level, place.tile);
    if (tile === undefined) throw new Error("the example is smaller than a tile");
    return Promise.resolve(tile.node(place.height, place.entry));
  });
  const leaf = leaves[index] ?? new Uint8Array();
  const path = await prover.inclusion(index, leaves.length);
  return printReceipt({ entries: [{ index: BigInt(index), leaf, openings, path }], checkpoint });
}

function edgeOf(leaves: readonly Uint8Array[]): TileEdge {
  const edge = new TileEdge(hasher);
  for (const leaf of leaves) edge.append(hasher.leaf(leaf));
  return edge;
}

async function keep(name: string, content: () => Promise<string> | string): Promise<void> {
  const file = new URL(name, golden);
  if (!existsSync(file)) await writeFile(file, await content());
}

export async function readGolden(name: string): Promise<string> {
  return await readFile(new URL(name, golden), "utf8");
}

/** One entry per line, hex. */
export async function readGoldenLeaves(name: string): Promise<readonly Uint8Array[]> {
  return (await readGolden(name))
    .trimEnd()
    .split("\n")
    .map((line) => Uint8Array.from(line.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
}

const hexLines = (leaves: readonly Uint8Array[]): string => leaves.map((leaf) => `${toHex(leaf)}\n`).join("");

async function makeGolden(): Promise<void> {
  for (const folder of ["example/", "forty/"]) await mkdir(new URL(folder, golden), { recursive: true });
  for (const folder of ["example/", "forty/"])
    await keep(`${folder}policy.txt`, () => printPolicy([{ ...signer.trusted, origins: [EXAMPLE_ORIGIN] }]));
  await keep("example/leaves.hex", () => hexLines(exampleLeaves()));
  await keep("example/checkpoint-3.txt", () => noteOver(exampleLeaves()));
  await keep(
    "example/receipt-1.txt",
    async () => await receiptFor(exampleLeaves(), 1, await readGolden("example/checkpoint-3.txt"), [EXAMPLE_OPENING]),
  );
  await keep("forty/leaves.hex", () => hexLines(fortyLeaves()));
  const forty = await readGoldenLeaves("forty/leaves.hex");
  for (const size of [1, 13, 32, 40]) await keep(`forty/checkpoint-${size}.txt`, () => noteOver(forty.slice(0, size)));
  for (const index of [0, 31, 39])
    await keep(`forty/receipt-${index}.txt`, async () => await receiptFor(forty, index, await readGolden("forty/checkpoint-40.txt")));
}

const block = (content: string): string => `\`\`\`\n${content.trimEnd()}\n\`\`\`\n`;

/** The example of `FORMAT.md`, from the golden files. */
export async function renderExample(): Promise<string> {
  const leaves = await readGoldenLeaves("example/leaves.hex");
  const hashes = leaves.map((leaf) => hasher.leaf(leaf));
  const [first, second, third] = hashes;
  if (first === undefined || second === undefined || third === undefined) throw new Error("the example has three entries");
  const left = hasher.node(first, second);
  return [
    "Policy:\n",
    block(await readGolden("example/policy.txt")),
    ...leaves.flatMap((leaf, at) => [
      `Entry ${at}, field by field (${leaf.length} bytes: join the hex of all lines):\n`,
      block(fieldLines(leaf)),
      `Leaf hash ${at}:\n`,
      block(toHex(hashes[at] ?? first)),
    ]),
    `The commitment of entry 1 is SM3 of these bytes (name \`name\`, salt 00 01 … 0f, value \`张三\`):\n`,
    block(commitmentLines()),
    "Tree:\n",
    block(
      `node(0,1) = SM3(01 leaf0 leaf1)  = ${toHex(left)}\nroot of 1 = leaf0               = ${toHex(first)}\nroot of 2 = node(0,1)           = ${toHex(left)}\nroot of 3 = SM3(01 node(0,1) leaf2) = ${toHex(hasher.node(left, third))}`,
    ),
    "Signed checkpoint of size 3 (four lines and the blank one; the signature is one of many valid ones, SM2 draws a random number for each):\n",
    block(await readGolden("example/checkpoint-3.txt")),
    "Receipt of entry 1, with its personal field disclosed:\n",
    block(await readGolden("example/receipt-1.txt")),
  ].join("\n");
}

const NAMES = [
  "",
  "origin",
  "index",
  "previous",
  "postedMs",
  "kind",
  "outcome",
  "code",
  "actor",
  "institution",
  "subject",
  "parent",
  "idempotencyKey",
  "requestHash",
  "provenance",
  "ruleSetVersion",
  "facts",
  "commitments",
];

function fieldLines(leaf: Uint8Array): string {
  if (!decodeLeaf(leaf).ok) throw new Error("the example is no leaf");
  const lines = [`${toHex(leaf.subarray(0, 8))}  magic and version`];
  const view = new DataView(leaf.buffer, leaf.byteOffset, leaf.byteLength);
  for (let at = 8; at < leaf.length;) {
    const end = at + 5 + view.getUint32(at + 1);
    lines.push(`${toHex(leaf.subarray(at, at + 5))} ${toHex(leaf.subarray(at + 5, end))}  ${NAMES[leaf[at] ?? 0]}`);
    at = end;
  }
  return lines.join("\n");
}

const lp = (bytes: Uint8Array): string => `${bytes.length.toString(16).padStart(8, "0")} ${toHex(bytes)}`;

function commitmentLines(): string {
  const { name, salt, value } = EXAMPLE_OPENING;
  const hash = commitmentHash(crypto.sm3, { origin: EXAMPLE_ORIGIN, index: 1n }, EXAMPLE_OPENING);
  return [
    `5248434f4d4d0001`,
    lp(utf8(EXAMPLE_ORIGIN)),
    "0000000000000001",
    lp(utf8(name)),
    lp(salt),
    lp(utf8(value)),
    `= ${toHex(hash)}`,
  ].join("\n");
}

/** What stands between the markers of `FORMAT.md`. */
export async function documentedExample(): Promise<string> {
  const text = await readFile(format, "utf8");
  return text.slice(text.indexOf(EXAMPLE_BEGIN) + EXAMPLE_BEGIN.length, text.indexOf(EXAMPLE_END));
}

if (import.meta.main) {
  await makeGolden();
  const text = await readFile(format, "utf8");
  const [before = ""] = text.split(EXAMPLE_BEGIN);
  const [, after = ""] = text.split(EXAMPLE_END);
  await writeFile(format, before + EXAMPLE_BEGIN + (await renderExample()) + EXAMPLE_END + after);
}
