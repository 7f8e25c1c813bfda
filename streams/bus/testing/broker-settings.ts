/** How a broker under test is set up, wherever it runs (DESIGN 11). */
export const KAFKA_VERSION = "4.3.0";

/** Fixed: formatting the same folder again with another id fails on a restart. */
export const CLUSTER_ID = "Um9uZ2hlVGVzdEJ1cwAAAA";

export interface BrokerPlace {
  /** Where clients reach the broker. */
  readonly host: string;
  readonly port: number;
  /** What the broker itself listens on, where that differs (a container). */
  readonly listenHost: string;
  readonly listenPort: number;
  readonly controllerPort: number;
  readonly dataFolder: string;
}

/** `server.properties` of a broker that is its own controller. */
export function serverProperties(place: BrokerPlace): string {
  const settings: Record<string, string | number> = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.bootstrap.servers": `127.0.0.1:${place.controllerPort}`,
    listeners: `PLAINTEXT://${place.listenHost}:${place.listenPort},CONTROLLER://127.0.0.1:${place.controllerPort}`,
    "advertised.listeners": `PLAINTEXT://${place.host}:${place.port},CONTROLLER://127.0.0.1:${place.controllerPort}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": place.dataFolder,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "auto.create.topics.enable": "false",
    // Without these two a broker killed with -9 takes about 12 s to come back.
    "broker.session.timeout.ms": 2_000,
    "broker.heartbeat.interval.ms": 500,
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")}\n`;
}

export const JAVA_FLAGS: readonly string[] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
