"""Enrichment and profile at scale: many customers with many lines, under a memory limit, by several engines.

Usage: scale.py --program SIMURGH --work DIR [--customers 25000] [--copies 40] [--lines 2] [--memory 2GB]
                [--threads N] [--engines simurgh,datafusion,duckdb]

Makes exports of so many customers (`cargo run --release --example fixtures`; 0 takes the shipped ones), stages
them up to golden customers, multiplies what is staged (every copy of a customer with ids of its own, every
till line so many times), and runs `enrich` and `profile` on it, each engine in processes of its own, one after
the other, whose CPU time, time and greatest resident size are printed:

  simurgh     the program itself, stage by stage, as it was built
  datafusion  the same SELECTs on the same files by an optimised build of its engine (engines.py)
  duckdb      the same SELECTs on the same files by DuckDB (engines.py)

25,000 customers, 40 copies and 2 lines are a million customers with twenty million lines. What is staged below DIR
stays, and is used again where it is of the same size. Needs the packages of
.ci/requirements-ci.txt, and datafusion==55.0.0. Writes only below DIR.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
DATE = "2026-11-01"

# Columns that name a customer, a record or a document: each copy has its own.
IDS = set(
    "golden_id other_golden_id record_id followed_record_id contact_id account_id parent_account_id "
    "referred_by card_id customer_no transaction_id return_of document undoes invoice_no "
    "pos_transaction_id payment_no credit_note_no cost_id interaction_id ticket_id offer_id survey_id "
    "event_id engagement_id handle follower followed".split()
)
# Tables that are the same whoever the customers are.
ONCE = {"raw_ref_environment", "raw_ref_stores", "raw_ref_rates", "rates", "margins", "stages", "area_places", "quarantine", "decisions"}
# Till lines, which are copied further, and what names their documents.
LINES = {"raw_pos_sales": ("transaction_id", "return_of"), "transactions": ("document", "undoes")}
NOT_READ = {
    "scored_pairs", "match_log", "entity_events", "customer_lineage", "records", "id_redirects", "entity_quality",
    "raw_crm_contacts", "raw_crm_accounts", "raw_accounting_customers", "raw_social_handles",
}


def run(arguments, environment=None):
    """Runs a command to its end: seconds of CPU, and its greatest resident size in bytes."""
    begun = time.monotonic()
    process = subprocess.Popen(list(map(str, arguments)), env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, arguments))}: status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, time.monotonic() - begun


def multiply(connection, source, target, name, copies, lines):
    """Writes so many copies of a staged table, in no order."""
    columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{source}')").fetchall()]
    if name in ONCE or name in NOT_READ:
        shutil.copy(source, target)
        return connection.execute(f"SELECT count(*) FROM read_parquet('{target}')").fetchall()[0][0]
    documents, repeated = LINES.get(name, ()), lines if name in LINES else 1
    chosen = []
    for column in columns:
        if column in documents:
            chosen.append(f"\"{column}\" || '/' || c.copy || CASE WHEN l.line > 0 AND {till(name)} THEN '/' || l.line ELSE '' END AS \"{column}\"")
        elif column in IDS:
            chosen.append(f"\"{column}\" || '/' || c.copy AS \"{column}\"")
        else:
            chosen.append(f'"{column}"')
    only = f"WHERE l.line = 0 OR {till(name)}" if name in LINES else ""
    connection.execute(
        f"COPY (SELECT {', '.join(chosen)} FROM read_parquet('{source}') t, range({copies}) c(copy), range({repeated}) l(line) {only}) "
        f"TO '{target}' (FORMAT parquet, ROW_GROUP_SIZE 122880)"
    )
    return connection.execute(f"SELECT count(*) FROM read_parquet('{target}')").fetchall()[0][0]


def till(name):
    return "document_source = 'pos_sales'" if name == "transactions" else "true"


def staged(work, arguments):
    """Stages the fixtures and multiplies them: the run's id and what each table is."""
    small, large = work / "small", work / "large"
    shutil.rmtree(large, ignore_errors=True)
    shutil.rmtree(small, ignore_errors=True)
    if arguments.customers:
        run(["cargo", "run", "--release", "--locked", "-q", "--example", "fixtures", "--",
             "--customers", arguments.customers, "--out", arguments.exports.parent])
    run([*program(small, arguments), "--to", "golden"])
    (run_folder,) = (small / "staging").iterdir()
    for plain in small.rglob("*"):
        if plain.is_file() and plain.suffix != ".parquet":
            copy = large / plain.relative_to(small)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(plain, copy)
    connection = duckdb.connect()
    connection.execute("SET memory_limit = '4GB'; SET preserve_insertion_order = false")
    files, counts = {}, {}
    for note in (large / run_folder.relative_to(small)).glob("*/done.json"):
        done = json.loads(note.read_text())
        for table in done["tables"]:
            path = table["file"]["path"]
            (large / path).parent.mkdir(parents=True, exist_ok=True)
            rows = multiply(connection, small / path, large / path, table["name"], arguments.copies, arguments.lines)
            table["file"]["rows"] = counts[table["name"]] = rows
            files[table["name"]] = large / path
        note.write_text(json.dumps(done))
    return run_folder.name, files, counts


def program(warehouse, arguments):
    """The command that runs the pipeline over the exports, in a warehouse, under the limits asked for."""
    return [arguments.program, "run", "pipelines/customer360.yaml", "--date", DATE, "--warehouse", warehouse, "-q",
            "--set", f"inputs={arguments.exports}", "--memory", arguments.memory, "--threads", arguments.threads]


def by_engine(engine, files, arguments):
    """Runs an engine on the staged files in a process of its own: seconds of CPU of each table."""
    out = arguments.work / engine
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, ROOT / "benches/scale/engines.py", engine, "--files", files, "--out", out,
               "--memory", arguments.memory, "--threads", arguments.threads]
    begun = time.monotonic()
    with (out / "times.ndjson").open("w") as times:
        process = subprocess.Popen(list(map(str, command)), stdout=times)
        _, status, usage = os.wait4(process.pid, 0)
    tables = [json.loads(line) for line in (out / "times.ndjson").read_text().splitlines()]
    for table in tables:
        if "error" in table:
            print(f"{engine}: {table['table']}: {table['error']}")
    if status:
        print(f"{engine}: broke off after {len(tables)} tables")
    cpu = sum(table.get("cpu", 0) for table in tables)
    wall = time.monotonic() - begun
    print(f"{engine}: {cpu:.1f} s of CPU, {wall:.0f} s for {len(tables)} tables, {usage.ru_maxrss / 2**20:.2f} GiB resident at most", flush=True)
    return {table["table"]: table.get("cpu", 0) for table in tables}, wall


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--customers", type=int, default=25_000)
    parser.add_argument("--copies", type=int, default=40)
    parser.add_argument("--lines", type=int, default=2)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--engines", default="simurgh,datafusion,duckdb")
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    arguments.exports = arguments.work / "exports/customer360" if arguments.customers else ROOT / "fixtures/customer360"
    os.chdir(ROOT)
    note = arguments.work / "staged.json"
    size = [arguments.customers, arguments.copies, arguments.lines]
    known = json.loads(note.read_text()) if note.exists() else {}
    if known.get("size") != size:
        run_id, files, counts = staged(arguments.work, arguments)
        known = {"size": size, "run_id": run_id, "files": {k: str(v) for k, v in files.items()}, "counts": counts}
        note.write_text(json.dumps(known))
    counts, files = known["counts"], arguments.work / "files.json"
    files.write_text(json.dumps(known["files"]))
    print(f"{counts['customers']:,} customers, {counts['transactions']:,} lines, {counts['entity_members']:,} records", flush=True)
    times, totals = {}, {}
    for engine in arguments.engines.split(","):
        if engine != "simurgh":
            times[engine], wall = by_engine(engine, files, arguments)
            totals[engine] = [sum(times[engine].values()), wall]
            continue
        totals[engine] = [0, 0]
        for stage in ("enrich", "profile"):
            # What an earlier call left would not be done again.
            shutil.rmtree(arguments.work / "large/staging" / known["run_id"] / stage, ignore_errors=True)
            command = [*program(arguments.work / "large", arguments), "--run-id", known["run_id"], "--stage", stage]
            cpu, resident, wall = run(command)
            totals[engine] = [totals[engine][0] + cpu, totals[engine][1] + wall]
            print(f"simurgh {stage}: {cpu:.0f} s of CPU, {wall:.0f} s, {resident / 2**30:.2f} GiB resident at most", flush=True)
    if {"simurgh", "duckdb"} <= totals.keys():
        cpu, wall = (ours / theirs for ours, theirs in zip(totals["simurgh"], totals["duckdb"]))
        print(f"simurgh over duckdb: {cpu:.2f} times the CPU seconds, {wall:.2f} times the time", flush=True)
    if {"datafusion", "duckdb"} <= times.keys():
        ours, theirs = times["datafusion"], times["duckdb"]
        both = ours.keys() & theirs.keys()
        for name in sorted(both, key=lambda name: -ours[name])[:12]:
            print(f"  {name}: {ours[name]:.1f} s and {theirs[name]:.1f} s")
        total = sum(ours[name] for name in both), sum(theirs[name] for name in both)
        print(f"datafusion over duckdb, {len(both)} tables: {total[0]:.1f} s and {total[1]:.1f} s of CPU, {total[0] / total[1]:.2f} times")


if __name__ == "__main__":
    main()
