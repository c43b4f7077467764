#!/usr/bin/env python3
"""A producer that is not ours: Avro envelopes, raw Kubernetes JSON and raw Alertmanager JSON for several tenants.

Usage: produce.py BROKERS REGISTRY SCHEMA_FILE EVENTS TENANT...
Plants one lost node per tenant. Prints a JSON manifest of what it sent: per tenant the distinct valid events, the
repeated ones, the broken records, and the planted cause.
"""

import io
import json
import random
import struct
import sys
import time
import urllib.request
import uuid

import fastavro
from confluent_kafka import Producer

DUPLICATES, LATE, BROKEN = 0.05, 0.02, 0.005


def register(registry, schema):
    body = json.dumps({"schema": json.dumps(schema)}).encode()
    request = urllib.request.Request(
        f"{registry}/subjects/io.kgroot.Envelope/versions", body, {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    )
    return json.load(urllib.request.urlopen(request))["id"]


def rfc3339(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))


def main():
    brokers, registry, schema_file, events, tenants = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:]
    schema = json.load(open(schema_file))
    # Two versions mix: the later one has a field that kgroot does not know.
    region = {"name": "region", "type": ["null", "string"], "default": None}
    versions = [schema, {**schema, "fields": [*schema["fields"], region]}]
    versions = [(register(registry, version), fastavro.parse_schema(version)) for version in versions]
    rng = random.Random(7)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 20, "compression.type": "lz4", "enable.idempotence": True})
    now = int(time.time() * 1000)
    manifest = {}

    def send(topic, value, key=b""):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)

    def avro(envelope, version):
        schema_id, parsed = version
        out = io.BytesIO()
        out.write(b"\x00" + struct.pack(">I", schema_id))
        fastavro.schemaless_writer(out, parsed, envelope)
        return out.getvalue()

    for tenant in tenants:
        node, pods = f"node-{tenant}", [f"api-{tenant}-{n}" for n in range(8)]
        counts = {"distinct": 0, "duplicates": 0, "broken": 0, "cause": f"node/{node}", "canary": f"canary-{tenant}"}
        planted = now - 120_000
        for pod in pods:
            document = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": pod, "namespace": tenant, "uid": f"u-{pod}", "resourceVersion": "1"},
                        "spec": {"nodeName": node}, "status": {"phase": "Running"}}
            send(f"k8s-events-{tenant}", json.dumps(document))
            counts["distinct"] += 1
        told = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": f"{node}.1", "namespace": "default", "uid": f"e-{node}"},
                "involvedObject": {"kind": "Node", "name": node}, "reason": "NodeNotReady", "message": f"Node {node} status is now: NodeNotReady",
                "type": "Normal", "count": 1, "firstTimestamp": rfc3339(planted), "lastTimestamp": rfc3339(planted)}
        send(f"k8s-events-{tenant}", json.dumps(told))
        counts["distinct"] += 1
        for index, pod in enumerate(pods):
            alert = {"status": "firing", "labels": {"alertname": "PodUnreachable", "namespace": tenant, "pod": pod, "severity": "critical"},
                     "annotations": {"summary": "pod does not answer"}, "startsAt": rfc3339(planted + 20_000 + index * 1000), "fingerprint": f"f-{pod}"}
            send(f"prometheus-{tenant}", json.dumps({"version": "4", "groupKey": "g", "receiver": "k", "status": "firing", "alerts": [alert]}))
            counts["distinct"] += 1
        for number in range(events // len(tenants)):
            late = rng.random() < LATE
            ts = now - rng.randint(0, 60_000) - (3_600_000 if late else 0)
            if rng.random() < BROKEN:
                value = rng.choice([b"\x00\x00\x00\x00\x01garbage", b"{\"tenant_id\":", b"not an event", json.dumps({"alerts": [{"status": "firing"}], "groupKey": "g"}).encode()])
                send(f"otel-{tenant}", value, str(number).encode())
                counts["broken"] += 1
                continue
            if number % 10 < 8:
                envelope = {"tenant_id": tenant, "source": "app", "event_type": "request.done", "ts": ts, "severity": "info",
                            "correlation_ids": {"trace_id": None, "commit": None, "workflow": None},
                            "entity": {"cluster": None, "namespace": tenant, "service": f"service-{number % 40}", "pod": None},
                            "payload": json.dumps({"message": f"canary-{tenant}"}), "ingest_id": str(uuid.UUID(int=rng.getrandbits(128))), "schema_version": 1, "region": "north"}
                topic, value = f"otel-{tenant}", avro(envelope, versions[number % 2])
            else:
                event = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": f"x.{number}", "namespace": tenant, "uid": f"{tenant}-{number}"},
                         "involvedObject": {"kind": "Pod", "namespace": tenant, "name": f"worker-{number % 60}"}, "reason": "Pulled",
                         "message": f"canary-{tenant}", "type": "Normal", "count": 1, "firstTimestamp": rfc3339(ts), "lastTimestamp": rfc3339(ts)}
                topic, value = f"k8s-events-{tenant}", json.dumps(event).encode()
            send(topic, value, str(number).encode())
            counts["distinct"] += 1
            if rng.random() < DUPLICATES:
                send(topic, value, str(number).encode())
                counts["duplicates"] += 1
        manifest[tenant] = counts
    producer.flush()
    print(json.dumps(manifest))


if __name__ == "__main__":
    main()
