"""scripts/bench --sinks: what the exporter and each sink get done with real records (test/bench/sinks_bench.c).

The exporter has a CPU for itself; the stand-in for the workers, the sinks' threads and the receivers share the others. Runs of the kinds take turns, so that what
else the machine does hits all of them; medians are taken. SQLite has fewer runs, because each of them is a minute. What the sinks write goes into a folder of the
bench's and is looked at: the database must have every record, and four indices on each segment that is closed."""
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess

import harness

# name: (sink, records, settings, records a second that are asked or None, most runs)
KINDS = {
    "ndjson": ("ndjson", 3000000, ["ndjsonFile=/dev/null"], 500e3, 99),
    "ndjson-file": ("ndjson", 1500000, ["ndjsonFile={folder}/bench.ndjson"], None, 99),
    "bulk": ("elasticsearch", 2000000, ["compressES=false", "spool=never"], 300e3, 99),
    "bulk-gzip": ("elasticsearch", 300000, ["compressES=true", "spool=never"], None, 99),
    "sqlite": ("sqlite", 5000000, ["sqliteFile={folder}/bench.sqlite"], 80e3, 3),
    "zmq": ("zmq", 1000000, ["zmqTopics=record", "zmqWait=30"], 200e3, 99),
}
WHAT = {
    "ndjson": "NDJSON into /dev/null",
    "ndjson-file": "NDJSON into a file",
    "bulk": "bulk bodies to an HTTP server that discards them",
    "bulk-gzip": "the same, compressed",
    "sqlite": "SQLite, 5 million records, with all indices",
    "zmq": "ZeroMQ, all received by a subscriber",
}
FORMAT_NS = 500
SMOKE_RECORDS = 20000
INDICES = 4
SENSOR = ["-q", "--copy", "-o", "pcapWriteMethod=discard", "-o", "sinks=", "-o", "lcores=1", "-o", "workers=1"]


def check_database(path, records):
    """Of a run that is over."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows, closed = db.execute("SELECT sum(rows), sum(closed IS NOT NULL) FROM segments").fetchone()
        indices = db.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name GLOB 'sessions_[1-9]*'").fetchone()[0]
        if rows != records or indices != INDICES * closed:
            raise SystemExit(f"bench: sqlite: {rows} records and {indices} indices in {closed} closed segments, after {records} records")
        if closed:
            number, address = db.execute("SELECT max(id), (SELECT source_ip FROM sessions_1 WHERE source_ip IS NOT NULL LIMIT 1) FROM segments WHERE closed IS NOT NULL").fetchone()
            plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN SELECT id FROM sessions_{number} WHERE source_ip = ?", (address,)))
            found = db.execute("SELECT count(*) FROM sessions WHERE source_ip = ?", (address,)).fetchone()[0]
            if "INDEX" not in plan or not found:
                raise SystemExit(f"bench: sqlite: a search for {address} finds {found} records and is done by: {plan}")


def one(trace, name, scratch, smoke):
    sink, records, settings, _, _ = KINDS[name]
    records = SMOKE_RECORDS if smoke else records
    folder = os.path.join(scratch, name)
    os.makedirs(folder, exist_ok=True)
    storage = harness.storage(folder)
    paths = [word for word in storage if "=" in word and not re.match(r"(ndjsonFile|sqliteFile)=", word)]
    program = os.path.join(harness.ROOT, "build", "test", "sinks_bench")
    command = [program, sink, str(records), trace, *paths, *(s.format(folder=folder) for s in settings), "--", *SENSOR, *storage]
    try:
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        if p.returncode != 0:
            raise SystemExit(f"bench: {name}: exit {p.returncode}: {(p.stdout + p.stderr)[-500:]}")
        if name == "sqlite":
            check_database(os.path.join(folder, "bench.sqlite"), records)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return json.loads(p.stdout)


def summary(runs):
    """Medians of the numbers in the runs, with the rates of all of them."""
    result = {key: statistics.median(r[key] for r in runs) for key, value in runs[0].items() if isinstance(value, (int, float))}
    result["runs_per_s"] = [r["records_per_s"] for r in runs]
    result["parts_per_s"] = [statistics.median(part) for part in zip(*(r["parts_per_s"] for r in runs))]
    return result


def table(results):
    print(f"{'':12} {'records/s':>10} {'exporter':>9} {'others':>8}  ns a record; runs, k records/s")
    for name, r in results.items():
        runs = " ".join(f"{rate / 1e3:.0f}" for rate in r["runs_per_s"])
        parts = " ".join(f"{rate / 1e3:.0f}" for rate in r["parts_per_s"]) if name == "sqlite" else ""
        print(f"{name:12} {r['records_per_s']:10.0f} {r['exporter_ns']:9.0f} {r['others_ns']:8.0f}  {runs}" + (f"; by fifths {parts}" if parts else ""))
    first = next(iter(results.values()))
    print(f"{first['real_records']:.0f} real records, {first['bytes_per_record']:.0f} bytes, {first['values_per_record']:.1f} values and "
          f"{first['positions_per_record']:.1f} packets each; formatting one {first['format_ns']:.0f} ns, {first['format_best_ns']:.0f} undisturbed")


def required(results):
    """What issue 6 asks for, as (text, True, False, or None where nothing is asked)."""
    ns = statistics.median(r["format_ns"] for r in results.values())
    yield f"formatting a record takes {ns:.0f} ns, {FORMAT_NS} allowed", ns <= FORMAT_NS
    for name, r in results.items():
        asked = KINDS[name][3]
        text = f"{WHAT[name]}: {r['records_per_s'] / 1e3:.0f} k records/s"
        yield (text, None) if asked is None else (f"{text}, {asked / 1e3:.0f} k asked", r["records_per_s"] >= asked)


def run(trace, runs, folder, latency_ns, json_path=None, smoke=False):
    """Prints; returns the exit status. 'smoke': shows that it works, measures nothing."""
    subprocess.run(["ninja", "-C", os.path.join(harness.ROOT, "build"), "test/sinks_bench"], check=True, stdout=subprocess.DEVNULL)
    all_runs = {name: [] for name in KINDS}
    scratch = os.path.join(folder, "sinks")
    for turn in range(1 if smoke else runs):
        for name, kind in KINDS.items():
            if turn < kind[4]:
                all_runs[name].append(one(trace, name, scratch, smoke))
    results = {name: summary(r) for name, r in all_runs.items()}
    table(results)
    print(f"core to core {latency_ns} ns one way")
    status = 0
    for text, fine in required(results):
        print(("        " if fine is None else "ok      " if fine else "MISSED  ") + text)
        status |= fine is False and not smoke
    if json_path:
        with open(json_path, "w") as f:
            json.dump({"core_to_core_ns": latency_ns, "sinks": results}, f, indent=1)
            f.write("\n")
    return int(status)
