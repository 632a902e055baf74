"""Enrichment and profile at scale: a million customers with twenty million lines, under a memory limit.

Usage: scale.py --program SIMURGH --work DIR [--copies 350] [--lines 2] [--memory 4GB] [--threads N] [--duckdb]

Stages the fixtures up to golden customers, multiplies what is staged (every copy of a customer with
ids of its own, every till line so many times), and runs `enrich` and `profile` on it in a process of
their own, whose CPU time and greatest resident size are printed. With --duckdb the same SELECTs,
on the same files, are run by DuckDB as far as it has their functions, and the ratio is printed.
Needs the packages of .ci/requirements-ci.txt. Writes only below DIR.
"""

import argparse
import json
import os
import re
import resource
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
ONCE = {"raw_ref_environment", "raw_ref_stores", "raw_ref_rates", "rates", "margins", "stages", "quarantine", "decisions"}
# Till lines, which are copied further, and what names their documents.
LINES = {"raw_pos_sales": ("transaction_id", "return_of"), "transactions": ("document", "undoes")}
NOT_READ = {"scored_pairs", "match_log", "entity_events", "customer_lineage", "records", "id_redirects"}


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
    shutil.rmtree(work, ignore_errors=True)
    program = [arguments.program, "run", "pipelines/customer360.yaml", "--date", DATE]
    run([*program, "--warehouse", small, "--to", "golden", "-q"])
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


def parameters():
    """The pipeline's parameters as SQL literals, for DuckDB."""
    import yaml

    document = yaml.safe_load((ROOT / "pipelines" / "customer360.yaml").read_text())
    literals = {k: f"'{v}'" if isinstance(v, str) else str(v) for k, v in document["parameters"].items()}
    literals |= {"logical_date": f"DATE '{DATE}'", "reporting_currency": "'USD'"}
    return document, literals


def by_duckdb(files, memory, threads):
    """The SELECTs of enrich and profile that DuckDB can run, timed one by one."""
    document, literals = parameters()
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'; SET threads = {threads}")
    for name, path in files.items():
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    times = {}
    for section in ("enrich", "profile"):
        for name, table in document[section].items():
            if table.get("compute"):
                continue
            text = table.get("sql") or (ROOT / "pipelines" / table["file"]).read_text()
            text = re.sub(r"\$(\w+)", lambda found: literals[found[1]], text)
            before = resource.getrusage(resource.RUSAGE_SELF)
            try:
                connection.execute(f"CREATE TABLE {name} AS {text}")
            except duckdb.Error as error:
                print(f"  {name}: not by DuckDB ({type(error).__name__})")
                continue
            after = resource.getrusage(resource.RUSAGE_SELF)
            times[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--copies", type=int, default=350)
    parser.add_argument("--lines", type=int, default=2)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--duckdb", action="store_true")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    run_id, files, counts = staged(arguments.work.resolve(), arguments)
    print(f"{counts['customers']:,} customers, {counts['transactions']:,} lines, {counts['entity_members']:,} records")
    for stage in ("enrich", "profile"):
        cpu, resident, wall = run(
            [arguments.program, "run", "pipelines/customer360.yaml", "--date", DATE, "--warehouse", arguments.work.resolve() / "large",
             "--run-id", run_id, "--stage", stage, "--memory", arguments.memory, "--threads", arguments.threads, "-q"]
        )
        print(f"{stage}: {cpu:.0f} s of CPU, {wall:.0f} s, {resident / 2**30:.2f} GiB resident at most")
    if arguments.duckdb:
        times = by_duckdb(files, arguments.memory, arguments.threads)
        print(f"DuckDB: {sum(times.values()):.0f} s of CPU for {len(times)} tables")


if __name__ == "__main__":
    main()
