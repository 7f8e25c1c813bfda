/** A broker from its Maven jars: no image, no registry (DESIGN 11). Jars stay in the user's cache, data in a temporary folder. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLUSTER_ID, JAVA_FLAGS, KAFKA_VERSION, serverProperties } from "./broker-settings.ts";
import { freePort, listening, type NoKafka, type TestKafka } from "./broker.ts";

const POM_FOLDER = fileURLToPath(new URL("kafka-broker/", import.meta.url));
const JAVA_MIN = 17;

export async function startFromJars(): Promise<TestKafka | NoKafka> {
  const jars = kafkaJars();
  if (typeof jars !== "string") return jars;
  const folder = mkdtempSync(join(tmpdir(), "ronghe-kafka-"));
  const [port, controllerPort] = [await freePort(), await freePort()];
  const config = join(folder, "server.properties");
  const host = "127.0.0.1";
  writeFileSync(
    config,
    serverProperties({ host, port, listenHost: host, listenPort: port, controllerPort, dataFolder: join(folder, "data") }),
  );
  const java = (...args: string[]): string[] => [
    ...JAVA_FLAGS,
    `-Dlog4j2.configurationFile=${join(POM_FOLDER, "log4j2.properties")}`,
    "-cp",
    join(jars, "*"),
    ...args,
  ];
  run("java", java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", config, "--standalone"));

  let broker: ChildProcess | undefined;
  const kill = (): void => void broker?.kill("SIGKILL");
  const start = async (): Promise<void> => {
    const child = spawn("java", java("kafka.Kafka", config), { stdio: ["ignore", "ignore", "inherit"] });
    broker = child;
    await listening(host, port, () => (child.exitCode === null ? undefined : `the broker ended with ${child.exitCode}`));
  };
  const kill9 = async (): Promise<void> => {
    const child = broker;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    await kill9();
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { brokers: [`${host}:${port}`], via: `jars of Kafka ${KAFKA_VERSION}`, kill9, start, restart: () => kill9().then(start), stop };
}

/** The folder of the broker's jars, fetched once; for tests and for the image script. */
export function kafkaJars(): string | NoKafka {
  const version = /version "(\d+)/.exec(spawnSync("java", ["-version"], { encoding: "utf8" }).stderr ?? "")?.[1];
  if (version === undefined || Number(version) < JAVA_MIN) return { skipped: `no Java ${JAVA_MIN}` };
  const libs = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "ronghe", `kafka-${KAFKA_VERSION}`);
  if (existsSync(libs)) return libs;
  if (spawnSync("mvn", ["-v"]).status !== 0) return { skipped: "no Maven" };
  mkdirSync(dirname(libs), { recursive: true });
  const fetched = mkdtempSync(`${libs}-`);
  run("mvn", ["-q", "-B", "-f", join(POM_FOLDER, "pom.xml"), "dependency:copy-dependencies", `-DoutputDirectory=${fetched}`]);
  // Whole or not at all, also when two test runs fetch at once.
  try {
    renameSync(fetched, libs);
  } catch {
    rmSync(fetched, { recursive: true, force: true });
  }
  return libs;
}

function run(command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} failed: ${done.stderr || done.stdout || done.error?.message || ""}`);
}
