"""The naive comparator: after every batch DuckDB computes everything anew from the events that count.

usage: peer.py EVENTS WAYS BATCH RATE OUTPUT; prints one JSON document. Needs duckdb 2.0.0.
"""

import json
import os
import resource
import sys
import time

BEGAN = time.perf_counter()

import duckdb  # noqa: E402, after the clock has started

HORIZON, GAP, COMPARED, YOUNG, SLACK, AFTER = 7_200_000, 60_000, 1_800_000, 720_000, 300_000, 420_000

TABLES = """
SET threads = 1;
CREATE TABLE staged AS SELECT row_number() OVER () - 1 AS number, column0 AS type, column1 AS ts, column2 AS c2, column3 AS c3,
    column4 AS c4, column5 AS c5, column6 AS c6, column7 AS c7
  FROM read_csv(?, auto_detect = false, header = false, delim = ',', null_padding = true, columns = {'column0': 'VARCHAR', 'column1': 'BIGINT', 'column2': 'BIGINT',
    'column3': 'BIGINT', 'column4': 'BIGINT', 'column5': 'BIGINT', 'column6': 'BIGINT', 'column7': 'BIGINT'});
CREATE TABLE signals (ts BIGINT, place BIGINT, kind BIGINT);
CREATE TABLE samples (ts BIGINT, place BIGINT, value BIGINT);
CREATE TABLE told (ts BIGINT, number BIGINT, subject BIGINT, verb BIGINT, object BIGINT, valid_from BIGINT, valid_to BIGINT);
CREATE TABLE links (onset BIGINT, place BIGINT, kind BIGINT, c_onset BIGINT, c_place BIGINT, c_kind BIGINT, rule VARCHAR,
    strength BIGINT);
CREATE TABLE incidents (started_at BIGINT, episodes BIGINT, alerts BIGINT);
"""

WAYS = """
CREATE TABLE ways AS SELECT column0 AS rule, column1 AS cause, column2 AS effect, string_split(column3, ' ')::BIGINT[] AS steps,
    column4 AS win, column5 AS weight, column6 AS hop, column7 AS prior, column8 AS c_layer, column9 AS e_layer
  FROM read_csv(?, auto_detect = false, header = false, delim = ',', columns = {'column0': 'VARCHAR', 'column1': 'BIGINT', 'column2': 'BIGINT',
    'column3': 'VARCHAR', 'column4': 'BIGINT', 'column5': 'BIGINT', 'column6': 'BIGINT', 'column7': 'BIGINT', 'column8': 'BIGINT',
    'column9': 'BIGINT'});
"""

# A series is folded slot by slot: what is usual, what deviated since, and the verdict of each slot (1 rises, -1 falls).
MACROS = """
CREATE MACRO start(mean) AS {'mean': mean, 'usual': []::BIGINT[], 'unusual': []::BIGINT[], 'verdicts': []::BIGINT[]};
CREATE MACRO middle(ordered) AS ordered[(len(ordered) - 1) // 2 + 1];
CREATE MACRO distances(ordered, m) AS list_sort(list_transform(ordered, lambda x: abs(x - m)));
CREATE MACRO spread(d, m) AS greatest(middle(d) * 3 // 2, d[len(d) * 9 // 10 + 1] * 3 // 5, abs(m) // 10, 10000);
CREATE MACRO deviates(usual, m, x) AS CASE WHEN 6 * spread(distances(usual, m), m) < abs(x - m) THEN sign(x - m)::BIGINT ELSE 0 END;
CREATE MACRO verdict(usual, x) AS CASE WHEN len(usual) < 8 THEN 0
  ELSE list_transform([middle(list_sort(usual))], lambda m: deviates(usual, m, x))[1] END;
CREATE MACRO told(known, x, v) AS {'mean': x,
  'usual': CASE WHEN v = 0 THEN list_append(known.usual, x)[-60:] WHEN len(known.unusual) = 39
    THEN list_append(known.unusual, x)[-8:] ELSE known.usual END,
  'unusual': CASE WHEN v = 0 OR len(known.unusual) = 39 THEN []::BIGINT[] ELSE list_append(known.unusual, x) END,
  'verdicts': list_append(known.verdicts, v)};
CREATE MACRO learn(known, x) AS list_transform([verdict(known.usual, x)], lambda v: told(known, x, v))[1];
"""

# Verbs: 0 owns, 1 selects, 2 runs on, 3 calls. Steps: 0 owner, 1 selected, 2 selector, 3 runs on, 4 called; -1 none.
RECOMPUTE = [
    "DELETE FROM links", "DELETE FROM incidents",
    f"""
CREATE OR REPLACE TEMP TABLE episodes AS
WITH slots AS (
  SELECT place, ts // 15000 AS slot, min(ts) AS first, max(ts) AS last, sum(value)::BIGINT // count(*) AS mean
  FROM samples GROUP BY ALL),
judged AS (
  SELECT place, unnest(slots) AS slot, unnest(firsts) AS first, unnest(lasts) AS last, unnest(folded.verdicts) AS verdict FROM (
    SELECT place, list(slot ORDER BY slot) AS slots, list(first ORDER BY slot) AS firsts, list(last ORDER BY slot) AS lasts,
      list_reduce(list(start(mean) ORDER BY slot), lambda known, next: learn(known, next.mean), start(0)) AS folded
    FROM slots GROUP BY place)),
beside AS (
  SELECT *, lag(slot) OVER w AS slot_before, lag(last) OVER w AS last_before, lead(first) OVER w AS first_after,
    row_number() OVER w - row_number() OVER (PARTITION BY place, verdict ORDER BY slot) AS run
  FROM judged WINDOW w AS (PARTITION BY place ORDER BY slot)),
occurred AS (
  SELECT place, 5 AS kind, min(first) AS onset, min(last_before) AS earliest, max(coalesce(first_after, last)) AS over_at
  FROM beside WHERE verdict = 1 GROUP BY place, run HAVING 2 <= max(slot) - min(slot_before)
  UNION ALL SELECT place, kind, ts, ts, ts FROM signals),
before AS (
  SELECT *, max(over_at) OVER (PARTITION BY place, kind ORDER BY onset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
  FROM occurred),
runs AS (
  SELECT *, sum((until IS NULL OR until + {GAP} < onset)::INT) OVER (PARTITION BY place, kind ORDER BY onset) AS run FROM before)
SELECT place, kind, min(onset) AS onset, min(earliest) AS earliest, max(over_at) AS over_at FROM runs GROUP BY place, kind, run
""",
    """
CREATE OR REPLACE TEMP TABLE steps AS
WITH edges AS (SELECT * FROM told QUALIFY row_number() OVER (PARTITION BY number ORDER BY ts DESC) = 1)
SELECT subject AS source, CASE verb WHEN 1 THEN 1 WHEN 2 THEN 3 ELSE 4 END AS step, object AS target, valid_from, valid_to
  FROM edges WHERE verb <> 0
UNION ALL SELECT object, CASE verb WHEN 0 THEN 0 ELSE 2 END, subject, valid_from, valid_to FROM edges WHERE verb IN (0, 1)
""",
    f"""
INSERT INTO links
WITH RECURSIVE walk AS (
  SELECT e.onset, e.earliest, e.place AS e_place, e.kind, w.*, e.place AS here, 0 AS done
  FROM episodes e JOIN ways w ON w.effect = e.kind
  UNION ALL
  SELECT walk.* EXCLUDE (here, done), s.target, walk.done + 1
  FROM walk JOIN steps s ON s.source = walk.here AND s.step = walk.steps[walk.done + 1]
  WHERE walk.steps[walk.done + 1] >= 0 AND s.valid_from <= walk.onset + {SLACK} AND walk.earliest <= s.valid_to + {SLACK}),
met AS (
  SELECT walk.*, c.onset AS c_onset, c.place AS c_place, walk.onset - c.onset AS lag
  FROM walk JOIN episodes c ON c.place = walk.here AND c.kind = walk.cause
  WHERE walk.steps[walk.done + 1] = -1 AND c.onset <> walk.onset AND walk.onset - c.over_at <= win
    AND walk.onset - c.onset <= {HORIZON}
    AND CASE WHEN c_layer < e_layer THEN c.earliest <= walk.onset + 2000 WHEN c_layer = e_layer THEN c.onset <= walk.onset
        ELSE c.onset < walk.onset END),
weighed AS (
  SELECT *, weight * 10 * hop // 1000
    * CASE WHEN lag <= win // 4 THEN 1000 ELSE 1000 - 400 * least(lag - win // 4, win) // win END // 1000 AS strength FROM met)
SELECT onset, e_place, kind, c_onset, c_place, cause, rule, strength FROM weighed
QUALIFY row_number() OVER (PARTITION BY onset ORDER BY strength + 2 * prior DESC, c_onset DESC) = 1
""",
    """
INSERT INTO incidents
WITH RECURSIVE rooted AS (
  SELECT e.onset, e.kind, e.onset AS root FROM episodes e ANTI JOIN links l ON l.onset = e.onset
  UNION ALL
  SELECT l.onset, l.kind, rooted.root FROM rooted JOIN links l ON l.c_onset = rooted.onset)
SELECT min(onset) FILTER (kind NOT IN (0, 3)), count(*), count(*) FILTER (kind = 6) FROM rooted
GROUP BY root HAVING count(*) FILTER (kind NOT IN (0, 3)) > 0
""",
]

BATCH = [
    "INSERT INTO signals SELECT ts, c2, c3 FROM staged WHERE number BETWEEN ? AND ? AND type = 'S'",
    "INSERT INTO samples SELECT ts, c2, c3 FROM staged WHERE number BETWEEN ? AND ? AND type = 'M'",
    "INSERT INTO told SELECT ts, c2, c3, c4, c5, c6, least(c7, 4000000000000000) FROM staged "
    "WHERE number BETWEEN ? AND ? AND type = 'R'",
]


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    events, ways, batch, rate, output = sys.argv[1:]
    batch, rate = int(batch), float(rate)
    db = duckdb.connect()
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement, [events] if "?" in statement else None)
    db.execute(WAYS, [ways])
    db.execute(MACROS)
    times = [row[0] for row in db.execute("SELECT ts FROM staged ORDER BY number").fetchall()]
    start_s, before = time.perf_counter() - BEGAN, resident()

    def feed(first, last, now):
        for statement in BATCH:
            db.execute(statement, [first, last])
        for table in ("signals", "samples", "told"):
            db.execute(f"DELETE FROM {table} WHERE ts <= ?", [now - HORIZON])
        for statement in RECOMPUTE:
            db.execute(statement)

    latencies, next_event, total = [], 0, len(times)
    cpu, begun = processor(), time.perf_counter()
    while next_event < total:
        due = total if rate == 0 else min(total, int((time.perf_counter() - begun) * rate) + 1)
        until = min(next_event + batch, due)
        if until <= next_event:
            time.sleep(0.001)
            continue
        feed(next_event, until - 1, times[until - 1])
        if rate:
            visible = time.perf_counter() - begun
            latencies.extend((visible - index / rate) * 1000 for index in range(next_event, until))
        next_event = until
    wall, cpu = time.perf_counter() - begun, processor() - cpu
    end = times[-1] + AFTER
    feed(total, total, end)
    live = sum(1 for ts in times if end < ts + HORIZON)
    lines = []
    for row in db.execute("SELECT * FROM links WHERE ? <= onset", [end - COMPARED]).fetchall():
        lines.append("L " + " ".join(str(part) for part in row))
    for row in db.execute("SELECT * FROM incidents WHERE started_at BETWEEN ? AND ?", [end - COMPARED, end - YOUNG]).fetchall():
        lines.append("I " + " ".join(str(part) for part in row))
    with open(output, "w") as file:
        file.write("".join(line + "\n" for line in sorted(lines)))
    document = {"events": total, "wall_s": wall, "cpu_s": cpu, "start_s": start_s, "bytes": max(0, resident() - before),
                "live": live, "latencies_ms": latencies, "version": duckdb.__version__}
    print(json.dumps(document))
    sys.stdout.flush()
    os._exit(0)


main()
