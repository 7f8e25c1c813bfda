/** The commands of those who watch the ledger: witnesses, and what an operator asks about them. */
import { type Command, Option } from "commander";
import { configured, dataOption, wholeNumber } from "./options.ts";

const WITNESS_PORT = 8795;
const GOSSIP_S = 30;
const COVER_S = 10;

const folder = (): Option => new Option("--data <dir>", "folder of the witness").default("ronghe-witness");
const url = (): Option => new Option("--url <url>", "address where logs reach it, for the line");

export function addWitnessCommands(program: Command): void {
  const witness = program.command("witness").description("stand by the logs of others: cosign what only grows, and find split views");
  witness
    .command("init")
    .description("make a witness with a key of its own, and print its line for policies")
    .addOption(folder())
    .requiredOption("--name <name>", "stands in every cosignature: witness.hospital.example")
    .addOption(url())
    .action(async (options) => {
      const { witnessInit } = await import("../commands/witness.ts");
      await witnessInit(configured({}), options.data, options);
    });
  witness
    .command("keys")
    .description("print the line of this witness for policies")
    .addOption(folder())
    .addOption(url())
    .action(async (options) => {
      const { witnessKeys } = await import("../commands/witness.ts");
      await witnessKeys(configured({}), options.data, options);
    });
  witness
    .command("policy")
    .description("read a policy as everybody does, and say what it asks for")
    .argument("<file>")
    .option("--json", "print one JSON object")
    .action(async (file: string, options) => {
      const { witnessPolicy } = await import("../commands/witness.ts");
      await witnessPolicy(file, options);
    });
  witness
    .command("serve")
    .description("cosign until stopped")
    .addOption(folder())
    .option("--policy <file>", "keys of the logs to witness (default: <data>/logs-policy.txt)")
    .option("--port <n>", "port to listen on, 0 for a free one", wholeNumber(0, 65_535), WITNESS_PORT)
    .option("--peer <url...>", "other witnesses to compare with")
    .option("--proofs <url...>", "where logs show that one head goes on from another: <core>/ledger/v1")
    .option("--gossip-every <seconds>", "how often to compare", wholeNumber(1, 86_400), GOSSIP_S)
    .action(async (options) => {
      const { witnessServe } = await import("../commands/witness.ts");
      await witnessServe(configured({}), options.data, options);
    });
  witness
    .command("check")
    .description("print what this witness cosigned and found; status 1 while a split view is open")
    .addOption(folder())
    .option("--policy <file>", "keys of the logs (default: <data>/logs-policy.txt)")
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { witnessCheck } = await import("../commands/witness.ts");
      process.exitCode = await witnessCheck(options.data, options);
    });
  witness
    .command("acknowledge")
    .description("answer for a split view, so that the witness cosigns that log again")
    .addOption(folder())
    .requiredOption(
      "--id <n>",
      "number of the newest split view that was looked into; those of its log before it are answered too",
      wholeNumber(1, 999_999_999),
    )
    .requiredOption("--by <name>", "who answers")
    .requiredOption("--reason <text>", "what was found out")
    .action(async (options) => {
      const { witnessAcknowledge } = await import("../commands/witness.ts");
      await witnessAcknowledge(options.data, options);
    });
}

export function addFollowCommands(ledger: Command): void {
  ledger
    .command("follow")
    .description("check entries and checkpoints as they come over the bus; ends with status 1 at the first defect, naming it")
    .addOption(dataOption())
    .option("--bus <bus>", "embedded or kafka (brokers: RONGHE_KAFKA_BROKERS)")
    .option("--policy <file>", "trusted keys and witnesses (default: <data>/ledger-policy.txt)")
    .option("--state <file>", "keep there what was seen, and go on from it")
    .addOption(new Option("--from <where>", "where to begin").choices(["state", "beginning"]).default("state"))
    .option("--once", "end when caught up; status 0 only when a checkpoint covers every entry")
    .option("--wait <seconds>", "with --once: how long the checkpoint over the last entries may take", wholeNumber(0, 86_400), COVER_S)
    .option("--entries", "one JSON line for each entry: its place on the bus, and the request it came from")
    .option("--requests", "compare each entry with the request on the bus that it names")
    .option("--allow-unwitnessed", "count checkpoints without the policy's quorum instead of ending with them")
    .option("--json", "print one JSON object at the end")
    .action(async (options) => {
      const { ledgerFollow } = await import("../commands/ledger-follow.ts");
      process.exitCode = await ledgerFollow(configured(options), options);
    });
  ledger
    .command("witnesses")
    .description("who stands by the logs of a running platform; status 1 while a log lacks its quorum")
    .addOption(dataOption())
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { ledgerWitnesses } = await import("../commands/ledger-witnesses.ts");
      process.exitCode = await ledgerWitnesses(configured(options), options);
    });
  ledger
    .command("rotate-key")
    .description("change the key that signs a log, by overlap: announce the next one, later --retire the old one (platform stopped)")
    .addOption(dataOption())
    .option("--log <origin>", "one log (default: all)")
    .option("--retire", "end the older key")
    .option("--by <name>", "who does it, for the entry", "cli")
    .action(async (options) => {
      const { ledgerRotateKey } = await import("../commands/ledger-rotate-key.ts");
      await ledgerRotateKey(configured(options), options);
    });
}
