"""What an incremental run costs beside a full one: the same day resolved by what changed, and from nothing.

    incremental.py --shared DIR [--simurgh PROGRAM] [--rows 1000000] [--changed 1.0] [--seed 42] [--repeat 3] [--work DIR]

Makes people with DIR/data/gen_people.py, lands them as one day, then makes the next day of them: of the
percentage that changes two fifths of the records have another e-mail or telephone, the rest are gone or new,
in equal parts. The stage `resolve` of that day is run both ways in turn, each a process of its own, on the same
staged records and under the same frozen model; what both hand over is compared byte for byte. The steps
are taken from the program's log (-vv), whose lines bear the time. Settings: benches/peers/settings/people.yaml.
Needs numpy, polars and pyarrow.
"""
import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ["id", "given_name", "surname", "dob", "email", "phone", "street", "city", "postcode"]
DAYS = ["2026-11-01", "2026-11-02"]


def pipeline(folder):
    """Writes the pipeline and its contract."""
    settings = (HERE / "peers/settings/people.yaml").read_text()
    columns = ", ".join(COLUMNS[1:])
    mapping = (f"  - source: people\n    sql: SELECT id AS record_id, 'person' AS kind, {columns}, "
               "CAST('2026-01-01' AS TIMESTAMP) AS updated_at FROM raw_people\n")
    (folder / "people.yaml").write_text(
        "version: 1\nname: people\ninputs: " + str(folder / "in") + "\nsources:\n"
        "  people: {path: 'people-{date}.csv', contract: people.odcs.yaml, load: snapshot, max_removed: 50%}\n"
        "records:\n" + mapping + settings + "golden: {source_priority: [people], default_rule: most_recent}\n")
    properties = "".join(
        f"      - {{name: {name}, logicalType: string" + (", primaryKey: true, primaryKeyPosition: 1, required: true" if name == "id" else "") + "}\n"
        for name in COLUMNS)
    (folder / "people.odcs.yaml").write_text(
        "kind: DataContract\napiVersion: v3.1.0\nid: people\nname: people\nversion: 1.0.0\nstatus: active\ndomain: crm\n"
        "schema:\n  - name: people\n    properties:\n" + properties)


def days(arguments, folder):
    """Writes the exports of both days."""
    import numpy
    import polars
    rows, share = arguments.rows, arguments.changed / 100
    new, other = round(rows * share * 0.3), round(rows * share * 0.4)
    made = folder / "people.parquet"
    subprocess.run([arguments.python, arguments.shared / "data/gen_people.py", str(rows + new), made, "--seed", str(arguments.seed)],
                   check=True, stdout=subprocess.DEVNULL)
    people = polars.read_parquet(made).select(polars.col(name).cast(polars.Utf8) for name in COLUMNS)
    chance = numpy.random.default_rng(arguments.seed)
    order = chance.permutation(rows + new)
    later, gone, changed = order[:new], order[new:2 * new], order[2 * new:2 * new + other]
    numbered = people.with_row_index("row")
    first = numbered.filter(~polars.col("row").is_in(later.tolist()))
    first.drop("row").write_csv(folder / f"in/people-{DAYS[0]}.csv")
    half = set(changed[: other // 2].tolist())
    rest = set(changed[other // 2:].tolist())
    second = numbered.filter(~polars.col("row").is_in(gone.tolist())).with_columns(
        polars.when(polars.col("row").is_in(list(half))).then(polars.concat_str(polars.lit("new."), polars.col("email")))
        .otherwise(polars.col("email")).alias("email"),
        polars.when(polars.col("row").is_in(list(rest))).then(polars.col("phone").str.reverse())
        .otherwise(polars.col("phone")).alias("phone"))
    second.drop("row").write_csv(folder / f"in/people-{DAYS[1]}.csv")
    print(f"{first.height:,} records, then {second.height:,}: {other:,} changed, {new:,} gone, {new:,} new", flush=True)


def run(command, log):
    """Runs a process to its end; gives what it said, its CPU seconds and its peak in megabytes."""
    with open(log, "wb") as sink:
        process = subprocess.Popen([str(part) for part in command], stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"})
        _, status, usage = os.wait4(process.pid, 0)
    said = re.sub(r"\x1b\[[0-9;]*m", "", Path(log).read_text(errors="replace"))
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed; the end of its output:\n{said[-2000:]}")
    return said, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def steps(said):
    """Seconds of each step of the stage `resolve`, by the times of the log's lines."""
    found, before = {}, None
    for line in said.splitlines():
        match = re.match(r"(\d{4}-\S+Z)\s+DEBUG\s+(?:at work: )?(resolve\S*) (.*)", line.strip())
        if not match and before:
            # What comes after the stage's last step ends it.
            match = re.match(r"(\d{4}-\S+Z)\s+DEBUG\s+(publishing|done)()", line.strip())
        if not match:
            continue
        at = datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00"))
        if before:
            found[before[1]] = found.get(before[1], 0.0) + (at - before[0]).total_seconds()
        before = (at, match[3])
    return found, before


def digest(folder):
    """A hash of each table that the stage handed over."""
    return {file.name: hashlib.blake2b(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*.parquet"))}


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--shared", type=Path, default=Path("../shared"))
    ask.add_argument("--simurgh", default="target/debug/simurgh")
    ask.add_argument("--rows", type=int, default=1_000_000)
    ask.add_argument("--changed", type=float, default=1.0, help="percent of the records")
    ask.add_argument("--seed", type=int, default=42)
    ask.add_argument("--repeat", type=int, default=3)
    ask.add_argument("--python", default=sys.executable)
    ask.add_argument("--work", type=Path)
    arguments = ask.parse_args()
    work = (arguments.work or Path(tempfile.mkdtemp())).resolve()
    (work / "in").mkdir(parents=True, exist_ok=True)
    arguments.shared = arguments.shared.resolve()
    pipeline(work)
    days(arguments, work)
    warehouse = work / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    program = [arguments.simurgh, "run", work / "people.yaml", "--warehouse", warehouse, "--memory", "8GB"]
    run([*program, "--date", DAYS[0]], work / "first.log")
    said, _, _ = run([*program, "--date", DAYS[1], "--to", "clean"], work / "clean.log")
    run_id = json.loads(said.strip().splitlines()[-1])["run_id"]
    staged = warehouse / "staging" / run_id / "resolve"
    cost = {"incremental": [], "full": []}
    tables, counts = {}, None
    for _ in range(arguments.repeat):
        for way, further in (("incremental", []), ("full", ["--full"])):
            shutil.rmtree(staged, ignore_errors=True)
            said, cpu, megabytes = run([*program, "--date", DAYS[1], "--stage", "resolve", "--run-id", run_id, "-vv", *further], work / f"{way}.log")
            found, _ = steps(said)
            done = json.loads((staged / "done.json").read_text())
            if way == "incremental":
                counts = done["report"]["kinds"]["person"]["incremental"]
            seconds = sum(found.values())
            cost[way].append({**found, "all of resolve": seconds, "CPU of the process": cpu, "megabytes": megabytes})
            tables[way] = digest(staged)
    same = tables["incremental"] == tables["full"]
    print(f"handed over by both, byte for byte the same: {'yes' if same else 'NO'} ({len(tables['full'])} tables)")
    print(json.dumps(counts))
    median = {way: {step: statistics.median(own.get(step, 0.0) for own in list_) for step in {s for one in list_ for s in one}} for way, list_ in cost.items()}
    for way in median:
        median[way]["scoring and clustering"] = median[way].get("scoring pairs", 0) + median[way].get("clustering", 0)
    order = ["reading what the run before left", "reading records", "finding what changed", "coding columns and blocking", "scoring pairs", "clustering",
             "putting pairs together", "giving golden ids", "making the match log", "writing tables", "scoring and clustering", "all of resolve", "CPU of the process", "megabytes"]
    print(f"\n| median of {arguments.repeat}, seconds | incremental | full | ratio |\n|---|---|---|---|")
    for step in order:
        a, b = median["incremental"].get(step, 0.0), median["full"].get(step, 0.0)
        print(f"| {step} | {a:.2f} | {b:.2f} | {f'{100 * a / b:.0f}%' if b else '-'} |")
    sys.exit(0 if same else 1)


main()
