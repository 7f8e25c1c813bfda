/** A broker in a container, through testcontainers. */
import { spawnSync } from "node:child_process";
import type { StartedTestContainer } from "testcontainers";
import { CLUSTER_ID, JAVA_FLAGS, KAFKA_VERSION, serverProperties } from "./broker-settings.ts";
import { freePort, listening, type NoKafka, type TestKafka } from "./broker.ts";

const LISTEN_PORT = 9092;
const ANSWER_WITHIN_MS = 3_000;

/**
 * Runs the jars that any Kafka image keeps in /opt/kafka/libs, with our settings. The host port is chosen beforehand:
 * the broker must name it to its clients, and must come back on it after a restart.
 */
export async function startContainer(): Promise<TestKafka | NoKafka> {
  if (spawnSync("docker", ["version", "--format", "{{.Server.Version}}"], { timeout: ANSWER_WITHIN_MS }).status !== 0)
    return { skipped: "no Docker daemon" };
  const own = process.env["RONGHE_KAFKA_IMAGE"];
  const image = own ?? `apache/kafka:${KAFKA_VERSION}`;
  // An image of one's own means that no registry need be near, where the reaper's image would come from.
  if (own !== undefined) process.env["TESTCONTAINERS_RYUK_DISABLED"] ??= "true";
  // Only now: it takes a second to load, for nothing where there is no Docker.
  const { GenericContainer, getContainerRuntimeClient } = await import("testcontainers");
  const runtime = await getContainerRuntimeClient();
  const host = runtime.info.containerRuntime.host;
  const port = await freePort();
  let container: StartedTestContainer;
  try {
    container = await new GenericContainer(image)
      .withExposedPorts({ container: LISTEN_PORT, host: port })
      .withCopyContentToContainer([
        {
          target: "/tmp/server.properties",
          content: serverProperties({
            host,
            port,
            listenHost: "0.0.0.0",
            listenPort: LISTEN_PORT,
            controllerPort: 9093,
            dataFolder: "/tmp/kafka-data",
          }),
        },
      ])
      .withEntrypoint(["sh", "-c", START])
      .withStartupTimeout(120_000)
      .start();
  } catch (error) {
    if (own !== undefined) throw error;
    return { skipped: `no image ${image}` };
  }
  const handle = runtime.container.getById(container.getId());
  const stop = async (): Promise<void> => {
    await container.stop({ remove: true, timeout: 0 });
  };
  const listens = (): Promise<void> => listening(host, port, () => undefined);
  try {
    await listens();
  } catch (error) {
    await stop();
    throw error;
  }
  const kill9 = async (): Promise<void> => {
    await handle.kill({ signal: "SIGKILL" });
    await handle.wait({ condition: "not-running" });
  };
  const start = async (): Promise<void> => {
    await handle.start();
    await listens();
  };
  const via = `container of ${image}`;
  return { brokers: [`${host}:${port}`], via, kill9, start, restart: () => kill9().then(start), stop };
}

const JAVA = `java ${JAVA_FLAGS.join(" ")} -cp '/opt/kafka/libs/*'`;
const START = [
  `${JAVA} kafka.tools.StorageTool format --ignore-formatted -t ${CLUSTER_ID} -c /tmp/server.properties --standalone > /dev/null`,
  `exec ${JAVA} kafka.Kafka /tmp/server.properties > /dev/null`,
].join(" && ");
