"""Reads a Parquet store as docs/parquet.md says, with readers that are not ours.

parquet.py rows FOLDER SHARD duckdb|pyarrow   live rows, one JSON document [view, tenant, row] a line
parquet.py one FILE VIEW TENANT               lines of one file, likewise
parquet.py bytes FOLDER SHARD TENANT FROM TO  of events of an hour: lines found, bytes read, bytes of all files
parquet.py bloom FOLDER SHARD KEY             row groups of events: how many, and how many the bloom filters leave out
parquet.py fetch ENDPOINT BUCKET FOLDER       the objects of a bucket as files
parquet.py page FOLDER FILE                   runs the SQL of a page in FOLDER; how many rows each statement gives
"""
import datetime
import glob
import json
import os
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

COMMON = ["key", "epoch", "live", "at", "until", "entities", "view", "tenant", "date"]


def files(shard):
    """What counts: from the last manifest with a whole list on."""
    manifests = {}
    for path in glob.glob(f"manifests/{shard}/*.json"):
        manifest = json.load(open(path))
        manifests[manifest["number"]] = manifest
    if not manifests:
        return {}
    first = max(number for number, manifest in manifests.items() if manifest["whole_list"])
    counted = {}
    for number in range(first, max(manifests) + 1):
        for path in manifests[number]["removed"]:
            counted.pop(path, None)
        counted |= {file["path"]: file for file in manifests[number]["files"]}
    return counted


def time(ms):
    at = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def as_api(view, tenant, line):
    """The row without what every line has, nested values taken apart."""
    kept = {"events": ["at"], "rejects": ["at"]}.get(view, [])
    row = {name: value for name, value in line.items() if name not in COMMON or name in kept}
    if view == "rejects":
        row["tenant"] = tenant
    for name, value in row.items():
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                row[name] = json.loads(value)
            except ValueError:
                pass
    return {name: value for name, value in row.items() if value is not None}


def rows_duckdb(view, paths, also=""):
    source = f"(SELECT *{also} FROM read_parquet({paths!r}, hive_partitioning = true, union_by_name = true))"
    columns = duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
    timed = [name for name, kind, *_ in columns if kind == "TIMESTAMP WITH TIME ZONE"]
    as_ms = ", ".join(f'epoch_ms("{name}") AS "{name}"' for name in timed)
    relation = duckdb.sql(
        f"SELECT * REPLACE ({as_ms}) FROM (SELECT * FROM {source} "
        "QUALIFY row_number() OVER (PARTITION BY tenant, key ORDER BY epoch DESC) = 1) WHERE live"
    )
    for values in relation.fetchall():
        line = dict(zip(relation.columns, values))
        line |= {name: time(line[name]) for name in timed if line[name] is not None}
        yield line["tenant"], line


def rows_pyarrow(view, paths):
    last = {}
    for path in paths:
        tenant = path.split("/tenant=")[1].split("/")[0]
        table = pq.ParquetFile(path).read()
        timed = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        for name in timed:
            index = table.schema.get_field_index(name)
            table = table.set_column(index, name, table.column(name).cast(pa.int64()))
        for line in table.to_pylist():
            key = (tenant, line["key"])
            if key not in last or last[key]["epoch"] < line["epoch"]:
                last[key] = line | {name: time(line[name]) for name in timed if line[name] is not None}
    for (tenant, _), line in last.items():
        if line["live"]:
            yield tenant, line


def rows(folder, shard, reader):
    os.chdir(folder)
    counted = files(shard).values()
    for view in sorted({file["view"] for file in counted}):
        paths = [file["path"] for file in counted if file["view"] == view]
        read = rows_duckdb if reader == "duckdb" else rows_pyarrow
        for tenant, line in read(view, paths):
            print(json.dumps([view, tenant, as_api(view, tenant, line)]))


def one(path, view, tenant):
    for _, line in rows_duckdb(view, [path], f", '{tenant}' AS tenant"):
        print(json.dumps([view, tenant, as_api(view, tenant, line)]))


def read_bytes(folder, shard, tenant, begins, ends):
    """DuckDB reads through a file system that counts; it sees the names of all files, and what it opens of them counts."""
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    taken = []

    class Counted(LocalFileSystem):
        protocol = "counted"

        def _open(self, path, mode="rb", block_size=None, **options):
            file = super()._open(path, mode, block_size, **options)
            read = file.f.read if hasattr(file, "f") else file.read

            class Reader:
                def __getattr__(self, name):
                    return getattr(file, name)

                def read(self, *size):
                    data = read(*size)
                    taken.append(len(data))
                    return data

            return Reader()

    os.chdir(folder)
    counted = files(shard).values()
    paths = [f"counted://{folder}/{file['path']}" for file in counted if file["view"] == "events"]
    connection = duckdb.connect()
    connection.register_filesystem(Counted())
    found = connection.execute(
        f"SELECT count(*) FROM read_parquet({paths!r}, hive_partitioning = true) "
        f"WHERE tenant = '{tenant}' AND \"at\" >= '{begins}'::TIMESTAMPTZ AND \"at\" < '{ends}'::TIMESTAMPTZ"
    ).fetchone()
    whole = sum(file["bytes"] for file in counted if file["view"] == "events")
    print(json.dumps([found[0], sum(taken), whole]))


def bloom(folder, shard, key):
    os.chdir(folder)
    paths = [file["path"] for file in files(shard).values() if file["view"] == "events"]
    probed = [
        excludes
        for path in paths
        for (excludes,) in duckdb.sql(
            f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', 'key', '{key}')"
        ).fetchall()
    ]
    print(json.dumps([len(probed), sum(probed)]))


def fetch(endpoint, bucket, folder):
    import boto3

    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                          aws_access_key_id="test", aws_secret_access_key="test")
    for listed in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in listed.get("Contents", []):
            place = os.path.join(folder, item["Key"])
            os.makedirs(os.path.dirname(place), exist_ok=True)
            client.download_file(bucket, item["Key"], place)


def page(folder, file):
    blocks = open(file).read().split("```sql\n")[1:]
    os.chdir(folder)
    connection = duckdb.connect()
    for block in blocks:
        found = []
        for statement in block.split("```")[0].split(";\n"):
            if statement.strip():
                found = connection.execute(statement).fetchall()
        print(json.dumps([block.split("```")[0].strip().split("\n")[0], len(found)]))


globals()[{"bytes": "read_bytes"}.get(sys.argv[1], sys.argv[1])](*sys.argv[2:])
