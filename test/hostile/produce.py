"""Writes records that no client of ours would write to every topic named; prints how many each topic took, as JSON.

    produce.py BROKERS RECORDS TOPIC...
"""

import json
import os
import random
import sys
import time

from confluent_kafka import Producer

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
HUGE = 5_000_000
# Unpacks to more than a reader takes; packed it is a few kilobytes.
BOMB = 40_000_000


def attributes(topic, key):
    """The headers of a sound event, to be spoilt one by one."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", os.urandom(8).hex().encode()),
        ("ce_source", b"/ronghe/edge/e1"),
        ("ce_type", topic.encode()),
        ("ce_time", b"2026-01-01T00:00:00Z"),
        ("ce_partitionkey", key),
        ("content-type", b"application/json"),
    ]


def spoilt(topic, at):
    key = b"H1"
    sound = attributes(topic, key)
    name = sound[at % len(sound)][0]
    rest = [header for header in sound if header[0] != name]
    value = b"{}"
    kinds = [
        lambda: (key, value, rest + [(name, None)]),
        lambda: (key, value, rest),
        lambda: (key, value, sound + [(name, b"other"), (name, None)]),
        lambda: (key, value, rest + [(name, b"\xff\xfe\x00")]),
        lambda: (key, value, None),
        lambda: (None, value, sound),
        lambda: (b"\xff\xfe\x00", value, sound),
        lambda: (key, None, sound),
        lambda: (key, b"", sound),
        lambda: (key, b'{"institution":"H1"', sound),
        lambda: (key, b"\xff\xfe", sound),
        lambda: (key, b"[" * 20_000, sound),
        lambda: (key, b'{"__proto__":{"x":1},"atMs":1e400}', sound),
        lambda: (key, random.randbytes(300), sound),
        lambda: (key, value, sound + [("__proto__", None), ("constructor", None), ("toString", b"x"), ("", b"")]),
        lambda: (key, value, sound + [("x" * 30_000, b"y" * 40_000)]),
        lambda: (key, value, [("ce_time", b"+275760-09-13T00:00:00.001Z")] + [h for h in sound if h[0] != "ce_time"]),
    ]
    return kinds[at % len(kinds)]()


def timestamp_of(at):
    """Kafka's own time: none, the first of all, and as far ahead as the broker lets it be."""
    return [0, 1, int(time.time() * 1000) + 50 * 60_000][at % 3]


def main():
    brokers, records, topics = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    taken = {topic: 0 for topic in topics}
    refused = []

    def on_delivery(error, message):
        if error is None:
            taken[message.topic()] += 1
        else:
            refused.append(str(error))

    for nth, codec in enumerate(CODECS):
        producer = Producer(
            {
                "bootstrap.servers": brokers,
                "compression.type": codec,
                "message.max.bytes": 100_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "linger.ms": 20,
                "batch.size": 400_000,
            }
        )
        for topic in topics:
            partitions = sorted(producer.list_topics(topic, 10).topics[topic].partitions)

            def produce(at, key, value, headers):
                producer.produce(
                    topic,
                    value,
                    key,
                    partition=partitions[at % len(partitions)],
                    on_delivery=on_delivery,
                    timestamp=timestamp_of(at),
                    headers=headers or [],
                )

            for at in range(nth, records, len(CODECS)):
                produce(at, *spoilt(topic, at))
                producer.poll(0)
            if codec in ("gzip", "zstd"):
                produce(0, b"H1", bytes(HUGE), attributes(topic, b"H1"))
                producer.flush()
                produce(1, b"H1", bytes(BOMB), attributes(topic, b"H1"))
            producer.flush()
    print(json.dumps({"taken": taken, "refused": refused}))


main()
