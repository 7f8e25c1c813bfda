/** The commands of who is let in. */
import { type Command, Option } from "commander";
import { UsageError } from "../config.ts";
import { configured, dataOption, wholeNumber } from "./options.ts";

const overlapOption = (): Option =>
  new Option("--overlap <hours>", "how long the one before still counts").argParser(wholeNumber(0, 2_160)).default(48);
const STATUS_COMMANDS = [
  ["suspend", "suspended"],
  ["resume", "active"],
] as const;

export function addAccessCommands(program: Command): void {
  const access = program.command("access").description("who is let in: edges, partners, terminals, signing keys");

  const accessEdge = access.command("edge").description("edges beside hospitals");
  accessEdge
    .command("list")
    .description("every edge, whom it serves, and which of its secrets count")
    .addOption(dataOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { accessEdges } = await import("../commands/access.ts");
      await accessEdges(configured(options), options);
    });
  for (const [verb, status] of STATUS_COMMANDS)
    accessEdge
      .command(verb)
      .description(verb === "suspend" ? "shut an edge out: stolen, or taken away" : "let an edge in again")
      .argument("<edgeId>")
      .addOption(dataOption())
      .action(async (edgeId: string, options) => {
        const { accessChange } = await import("../commands/access.ts");
        await accessChange(configured(options), { do: "edge.status", edgeId, status }, `${edgeId} is ${status}`);
      });
  accessEdge
    .command("rotate")
    .description("give an edge a new secret; it counts from the edge's next start, the one before for a while")
    .argument("<edgeId>")
    .addOption(dataOption())
    .addOption(overlapOption())
    .option("--out <file>", "write the secret there, to be carried to an edge elsewhere")
    .action(async (edgeId: string, options) => {
      const { accessEdgeRotate } = await import("../commands/access.ts");
      await accessEdgeRotate(configured(options), edgeId, options);
    });
  accessEdge
    .command("take-secret")
    .description("put a secret that was carried here into this edge's folder")
    .argument("<file>")
    .addOption(dataOption())
    .action(async (file: string, options) => {
      const { accessEdgeTake } = await import("../commands/access.ts");
      await accessEdgeTake(configured(options), file);
    });

  const accessPartner = access.command("partner").description("hospitals, pharmacies and apps");
  for (const [verb, status] of STATUS_COMMANDS)
    accessPartner
      .command(verb)
      .description(`${verb} a hospital, pharmacy or app`)
      .argument("<orgId>")
      .addOption(dataOption())
      .action(async (orgId: string, options) => {
        const { accessChange } = await import("../commands/access.ts");
        await accessChange(configured(options), { do: "partner.status", orgId, status }, `${orgId} is ${status}`);
      });
  accessPartner
    .command("rotate")
    .description("draw a new envelope SECRET for a partner; both count while the overlap lasts")
    .argument("<orgId>")
    .addOption(dataOption())
    .addOption(overlapOption())
    .option("--json", "print one JSON object")
    .action(async (orgId: string, options) => {
      const { accessPartnerRotate } = await import("../commands/access.ts");
      await accessPartnerRotate(configured(options), orgId, options);
    });
  for (const change of ["add", "retire"] as const)
    accessPartner
      .command(`${change}-key`)
      .description(`${change} an SM2 public key that a partner signs with`)
      .argument("<orgId>")
      .argument("<publicKey>", "hex of either case, Base64, PEM, DER or compressed, or a file that holds one")
      .addOption(dataOption())
      .action(async (orgId: string, publicKey: string, options) => {
        const { accessPartnerKey } = await import("../commands/access.ts");
        await accessPartnerKey(configured(options), orgId, publicKey, change);
      });
  accessPartner
    .command("offline")
    .description("what edges may take for a hospital or pharmacy while the core is away")
    .argument("<orgId>")
    .addOption(dataOption())
    .requiredOption("--bill <yuan>", "one bill at most", wholeNumber(0, 10_000_000))
    .requiredOption("--sum <yuan>", "all bills of an outage at most", wholeNumber(0, 999_999_999))
    .requiredOption("--minutes <n>", "for how long after the link was lost", wholeNumber(0, 1_440))
    .option("--age <minutes>", "how old an acceptance may be when the core gets it", wholeNumber(0, 1_440), 1_440)
    .action(async (orgId: string, options) => {
      const { accessChange } = await import("../commands/access.ts");
      const allowance = {
        amountMaxFen: `${options.bill * 100}`,
        totalMaxFen: `${options.sum * 100}`,
        forMs: options.minutes * 60_000,
        ageMaxMs: options.age * 60_000,
      };
      await accessChange(configured(options), { do: "partner.offline", orgId, allowance }, `${orgId}: edges know within a minute`);
    });

  const accessTerminal = access.command("terminal").description("terminals of hospitals and pharmacies");
  for (const [verb, status] of STATUS_COMMANDS)
    accessTerminal
      .command(verb)
      .description(`${verb} a terminal`)
      .argument("<orgId>")
      .argument("<termId>")
      .addOption(dataOption())
      .action(async (orgId: string, termId: string, options) => {
        const { accessChange } = await import("../commands/access.ts");
        await accessChange(configured(options), { do: "terminal.status", orgId, termId, status }, `${termId} is ${status}`);
      });

  const accessBinding = access.command("binding").description("accounts that apps want to bind and that wait for their payer");
  for (const [verb, step] of [
    ["confirm", "activate"],
    ["refuse", "revoke"],
  ] as const)
    accessBinding
      .command(verb)
      .description(
        verb === "confirm"
          ? "the payer has confirmed that the account is this person's"
          : "the payer does not know it, or not as this person's",
      )
      .argument("<bindingId>")
      .addOption(dataOption())
      .action(async (bindingId: string, options) => {
        const { accessChange } = await import("../commands/access.ts");
        await accessChange(configured(options), { do: "binding.decide", bindingId, step }, `${bindingId}: done`);
      });

  const accessKey = access.command("key").description("the platform's keys that edges trust: bundle, code");
  accessKey
    .command("list")
    .description("every version of a key")
    .argument("<purpose>", "bundle or code")
    .addOption(dataOption())
    .option("--json", "print one JSON object")
    .action(async (purpose: string, options) => {
      const { accessKeys } = await import("../commands/access.ts");
      await accessKeys(configured(options), keyPurpose(purpose), options);
    });
  accessKey
    .command("add")
    .description("announce a new version; a code key signs a day later, when every edge knows it, unless --now")
    .argument("<purpose>", "bundle or code")
    .addOption(dataOption())
    .option("--now", "sign with it at once: edges without a link will not know it")
    .action(async (purpose: string, options) => {
      const { accessChange } = await import("../commands/access.ts");
      const lead = options.now === true ? { leadMs: 0 } : {};
      await accessChange(
        configured(options),
        { do: "key.add", purpose: keyPurpose(purpose), ...lead },
        `a new ${purpose} key is announced`,
      );
    });
  accessKey
    .command("retire")
    .description("believe a version no more; never the last one")
    .argument("<handle>", "for example code.sign/1")
    .addOption(dataOption())
    .action(async (handle: string, options) => {
      const { accessChange } = await import("../commands/access.ts");
      await accessChange(configured(options), { do: "key.retire", handle }, `${handle} is retired`);
    });
}

function keyPurpose(text: string): "bundle" | "code" {
  if (text === "bundle" || text === "code") return text;
  throw new UsageError(`no keys for ${text}: bundle or code`);
}
