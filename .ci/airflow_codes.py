"""The DAG file's own code, in Airflow's Python: arguments, exit codes and the pods' variant.

Called by airflow.py with SIMURGH_IMAGE set, so that every stage is a pod; no cluster is asked.
"""

import importlib.util
import logging
import stat
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

FILE = Path(__file__).parents[1] / "pipelines/airflow/customer360.py"
RUN_ID = "0123456789abcdef0123456789abcdef"


def load():
    spec = importlib.util.spec_from_file_location("dag_file", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TaskInstance:
    """As much of a task instance as the DAG's code, and the lineage provider, ask for."""

    dag_id, task_id, map_index = "tiny", "clean", -1

    def __init__(self, try_number=1):
        self.try_number, self.pushed = try_number, {}

    def get_template_context(self):
        return context()

    def xcom_pull(self, task_ids):
        return {"run_id": RUN_ID}

    def xcom_push(self, key, value):
        self.pushed[key] = value


def context(try_number=1, cascade=True):
    day = datetime(2026, 11, 1, 3, tzinfo=timezone.utc)
    return {
        "dag_run": SimpleNamespace(logical_date=day, run_after=day, clear_number=0, conf={}),
        "logical_date": day,
        "data_interval_start": day,
        "data_interval_end": day,
        "params": {"memory": "1GB; rm -rf /", "cascade": cascade},
        "ti": TaskInstance(try_number),
    }


def ends(call):
    """What a call comes to: its value, or the exception's type."""
    try:
        return call()
    except AirflowException as error:
        return type(error)


def program(folder, code, line):
    """A program that says `line` and exits with `code`."""
    path = Path(folder) / f"program-{code}"
    path.write_text(f"#!/bin/sh\necho first\necho log >&2\necho '{line}'\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def pod(code):
    terminated = SimpleNamespace(exit_code=code)
    status = SimpleNamespace(name="base", state=SimpleNamespace(terminated=terminated))
    return SimpleNamespace(status=SimpleNamespace(container_statuses=[status]))


# The plain exception is retried by Airflow, the failing one never.
MEANINGS = {
    75: AirflowException,
    1: AirflowFailException,
    2: AirflowFailException,
    70: AirflowFailException,
    99: AirflowSkipException,
}


def main():
    logging.disable(logging.CRITICAL)
    dag_file = load()
    checked = 0

    def equal(what, found, expected):
        nonlocal checked
        assert found == expected, f"{what}: {found}, expected {expected}"
        checked += 1

    head = ["run", "pipelines/tiny.yaml", "--json", "--date", "2026-11-01"]
    # A parameter is one word, whatever it says.
    head += ["--memory", "1GB; rm -rf /"]
    for stage, try_number, cascade, rest in [
        ("extract", 1, True, ["--stage", "extract", "--skip-unchanged"]),
        ("clean", 1, True, ["--stage", "clean", "--run-id", RUN_ID]),
        ("clean", 2, True, ["--to", "clean"]),
        ("land", 1, True, ["--stage", "land", "--run-id", RUN_ID, "--cascade"]),
        ("land", 3, False, ["--to", "land"]),
    ]:
        found = dag_file.arguments(stage, context(try_number, cascade))
        equal(f"{stage}, try {try_number}", found, head + rest)

    with tempfile.TemporaryDirectory() as folder:
        result = {"run_id": RUN_ID, "stale": []}
        for code, meaning in {0: result, **MEANINGS}.items():
            dag_file.PROGRAM = program(folder, code, f'{{"run_id": "{RUN_ID}", "stale": []}}')
            stage = dag_file.Stage(stage="clean")
            with_context = context()
            equal(f"exit code {code}", ends(lambda: stage.execute(with_context)), meaning)
            if code:
                pushed = with_context["ti"].pushed
                equal(f"XCom of exit code {code}", pushed, {"return_value": result})

    stale = {"stale": ["2026-11-02"]}
    equal("a cascade to finish", ends(lambda: dag_file.conclude(99, stale, context())), stale)

    base = dag_file.KubernetesPodOperator
    for code, meaning in MEANINGS.items():
        stage = dag_file.StagePod(stage="clean")
        with mock.patch.object(base, "cleanup", side_effect=AirflowException("the pod failed")):
            given = {"pod": None, "remote_pod": pod(code), "context": context()}
            equal(f"pod, exit code {code}", ends(lambda: stage.cleanup(**given)), meaning)
            given["remote_pod"] = None
        with mock.patch.object(base, "cleanup", side_effect=AirflowException("the pod is lost")):
            equal("a lost pod", ends(lambda: stage.cleanup(**given)), AirflowException)
    stage = dag_file.StagePod(stage="clean")
    with mock.patch.object(base, "execute", return_value=None):
        stage.execute(context())
    equal("a pod's words", stage.arguments, head + ["--stage", "clean", "--run-id", RUN_ID])
    equal("a pod's environment", stage.env_vars["SIMURGH_WAREHOUSE"], dag_file.WAREHOUSE)
    parent = stage.env_vars["OPENLINEAGE_PARENT_ID"].split("/")
    equal("the parent of its lineage", (parent[0], parent[1], len(parent[2])), ("default", "tiny.clean", 36))
    for task in dag_file.dag.tasks:
        equal(f"{task.task_id} is a pod", type(task), dag_file.StagePod)
    equal("one run at a time", dag_file.dag.max_active_runs, 1)
    assert all(task.doc_md for task in dag_file.dag.tasks) and dag_file.dag.doc_md
    print(f"{checked} checks")


if __name__ == "__main__":
    main()
