"""The DAG of pipelines/airflow under a real Airflow, with the real program.

Usage: airflow.py PROGRAM [--keep FOLDER]

Installs Airflow into .venv-airflow, then by `airflow dags test`: two days, the first of them again,
an older one that was never run, and a day without exports. The tables of every date must be those
of the command line run in order; a rerun must skip, a day without exports fail at its first try,
and a stage that ran out of time (exit code 75) be tried again after its delay.
Knows the states that Airflow's database holds; runs in a Python that has deltalake (.venv-ci).
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-airflow"
REQUIREMENTS = ROOT / ".ci/requirements-airflow.txt"
DATES = ["2026-10-31", "2026-11-01", "2026-11-02"]
STAGES = "extract clean resolve golden enrich profile land".split()
# Seconds before a second try, here; with back-off it is up to twice as long.
RETRY_DELAY = 5


def install():
    """Airflow and its two providers, at the versions of the requirements file."""
    done = VENV / REQUIREMENTS.name
    if done.exists() and done.read_text() == REQUIREMENTS.read_text():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run(["python3", "-m", "venv", VENV], check=True)
    pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # uv installs in seconds what takes pip minutes.
    subprocess.run([*pip, "uv==0.13.9"], check=True)
    uv = [VENV / "bin/uv", "pip", "install", "--quiet", "--python", VENV / "bin/python"]
    subprocess.run([*uv, "-r", REQUIREMENTS], check=True)
    done.write_text(REQUIREMENTS.read_text())


def inputs(folder):
    """The shipped exports of two days, and an older day: the first one's, less a person."""
    shutil.copytree(ROOT / "fixtures/tiny/in", folder)
    for path in list(folder.glob(f"*-{DATES[1]}.*")):
        older = folder / path.name.replace(DATES[1], DATES[0])
        lines = path.read_text().splitlines(keepends=True)
        if path.name.startswith("crm_contacts"):
            assert len(list(csv.reader(lines))) == len(lines), "a row of several lines"
            lines = lines[:-1]
        older.write_text("".join(lines))


def row_hashes(warehouse):
    """For each date in force, each table's rows as one hash that their order does not change."""
    from deltalake import DeltaTable

    found = {}
    entries = (json.loads(path.read_text()) for path in (warehouse / "runs/seq").glob("*.json"))
    for entry in sorted(entries, key=lambda entry: entry["seq"]):
        found[entry["logical_date"]] = {
            name: hash_of(DeltaTable(str(warehouse / "tables" / name), version=version))
            for name, version in entry["tables"].items()
        }
    return found


def hash_of(table):
    rows = table.to_pyarrow_table().to_pylist()
    lines = sorted(repr(sorted(row.items())) for row in rows)
    return len(rows), hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Airflow:
    """An Airflow of its own, on SQLite, in a folder that is thrown away."""

    def __init__(self, home, program, pipeline, warehouse, **environment):
        self.home = home
        self.dag = Path(pipeline).stem
        self.environment = {
            **os.environ,
            "PATH": f"{VENV}/bin:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "pipelines/airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__OPENLINEAGE__DISABLED": "True",
            "SIMURGH_PROGRAM": str(program),
            "SIMURGH_PIPELINE": pipeline,
            "SIMURGH_RETRY_DELAY": str(RETRY_DELAY),
            "SIMURGH_WAREHOUSE": str(warehouse),
            **environment,
        }

    def call(self, *arguments):
        done = subprocess.run(
            arguments, env=self.environment, cwd=ROOT, text=True, capture_output=True
        )
        return done.returncode, done.stdout + done.stderr

    def test(self, date):
        """The states of a date's tasks after `airflow dags test`, and the log."""
        print(f"airflow dags test {self.dag} {date}", flush=True)
        code, log = self.call("airflow", "dags", "test", self.dag, date)
        (self.home / f"{self.dag}-{date}.log").write_text(log)
        with sqlite3.connect(self.home / "airflow.db") as database:
            rows = database.execute(
                "SELECT task_id, task_instance.state, try_number FROM task_instance JOIN dag_run USING "
                "(dag_id, run_id) WHERE dag_id = ? AND dag_run.logical_date LIKE ?",
                (self.dag, f"{date}%"),
            ).fetchall()
        if not rows:
            sys.exit(f"airflow dags test {self.dag} {date}: exit code {code}\n{log[-4000:]}")
        return {task: (state, tries) for task, state, tries in rows}, log


def out_of_time(work, program):
    """The program, but the first try of `clean` has no time: its exit code is 75."""
    script = work / "out-of-time"
    script.write_text(f"""#!/bin/sh
case "$*" in
*"--stage clean"*) mkdir "{work}/tried" 2>/dev/null && exec "{program}" "$@" --timeout 1ms ;;
esac
exec "{program}" "$@"
""")
    script.chmod(0o755)
    return script


def waited(airflow, task):
    """The seconds between the end of a task's first try and the begin of its second."""
    with sqlite3.connect(airflow.home / "airflow.db") as database:
        ((first,),) = database.execute(
            "SELECT end_date FROM task_instance_history WHERE task_id = ? AND try_number = 1", (task,)
        ).fetchall()
        ((second,),) = database.execute(
            "SELECT start_date FROM task_instance WHERE task_id = ? AND try_number = 2", (task,)
        ).fetchall()
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def states(found):
    return {task: state for task, (state, _) in found.items()}


def expect(what, found, expected, log=""):
    if found != expected:
        sys.exit(f"{what}: {found}, expected {expected}\n{log[-4000:]}")
    print(f"ok: {what}", flush=True)


def check_tiny(work, program):
    exports = work / "in"
    inputs(exports)
    in_order = work / "in-order"
    for date in DATES:
        command = [program, "run", "pipelines/tiny.yaml", "--json", "--date", date]
        environment = {**os.environ, "SIMURGH_WAREHOUSE": str(in_order), "TINY_INPUTS": str(exports)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    expected = row_hashes(in_order)

    warehouse = work / "warehouse"
    home = work / "airflow"
    flaky = out_of_time(work, program)
    airflow = Airflow(home, flaky, "pipelines/tiny.yaml", warehouse, TINY_INPUTS=str(exports))
    expect("airflow db migrate", airflow.call("airflow", "db", "migrate")[0], 0)
    done = dict.fromkeys(STAGES, "success")
    for date in DATES[1:]:
        found, log = airflow.test(date)
        expect(f"{date}: every stage is done", states(found), done, log)
        if date == DATES[1]:
            tries = {task: tries for task, (_, tries) in found.items()}
            expect("exit code 75 was tried again", tries, {**dict.fromkeys(STAGES, 1), "clean": 2}, log)
            seconds = waited(airflow, "clean")
            expect(f"after its delay: {seconds:.1f} s", seconds >= RETRY_DELAY, True, log)
    published = len(list((warehouse / "runs/seq").iterdir()))
    found, log = airflow.test(DATES[1])
    skipped = dict.fromkeys(STAGES, "skipped")
    expect(f"{DATES[1]} again: nothing to do", states(found), skipped, log)
    expect("and nothing was published", len(list((warehouse / "runs/seq").iterdir())), published)
    if row_hashes(warehouse) == expected:
        sys.exit("the older date changes nothing: this check could not fail")
    found, log = airflow.test(DATES[0])
    expect(f"{DATES[0]}, an older date: every stage is done", states(found), done, log)
    expect("every date's rows are those of runs in order", row_hashes(warehouse), expected)
    found, log = airflow.test("2026-11-03")
    expect("a day without exports fails at its first try", found["extract"], ("failed", 1), log)
    expect("and says what to do", "help:" in log, True, log)


def check_customer360(work, program):
    pipeline = "pipelines/customer360.yaml"
    airflow = Airflow(work / "airflow", program, pipeline, work / "customer360")
    found, log = airflow.test(DATES[1])
    tables = {f"tables.{name}" for name in airflow_tables(airflow)}
    expect("a task for each table of the customer 360", set(found) - set(STAGES), tables, log)
    expect("every task is done", set(states(found).values()), {"success"}, log)
    with sqlite3.connect(work / "airflow/airflow.db") as database:
        (events,) = database.execute("SELECT count(*) FROM asset_event").fetchone()
    expect("each emitted its asset", events, len(tables))


def airflow_tables(airflow):
    """The tables of the pipeline's `profile`, read without the DAG's own code."""
    pipeline = yaml.safe_load((ROOT / airflow.environment["SIMURGH_PIPELINE"]).read_text())
    return list(pipeline["profile"])


def check_codes(work):
    """What exit codes come to, on a worker and in a pod: by the DAG's own code, in Airflow's venv."""
    environment = {"SIMURGH_IMAGE": "registry.example/simurgh:0.1"}
    airflow = Airflow(work / "airflow", "true", "pipelines/tiny.yaml", work / "none", **environment)
    # -P: this file must not stand for the package of its name.
    code, log = airflow.call(f"{VENV}/bin/python", "-P", ".ci/airflow_codes.py")
    expect("exit codes, arguments and pods", code, 0, log)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("--keep", type=Path, help="work here, and leave what was made")
    options = parser.parse_args()
    install()
    work = options.keep or Path(tempfile.mkdtemp())
    try:
        check_tiny(work, options.program.absolute())
        check_customer360(work, options.program.absolute())
        check_codes(work)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
