"""# A pipeline of simurgh, each night

A task for each stage; each is one process of the program, and they may run on different machines
that share the warehouse. The logical date is the day whose exports are read.

| in the grid | means | to do |
|---|---|---|
| success | the stage is done; its XCom is the program's last line of output | |
| skipped | this very run was published before: same exports, same configuration | nothing |
| up for retry | exit code 75: a store did not answer, or an earlier date was published meanwhile | nothing: it is tried again with back-off, from the first stage that is not done |
| failed | data or configuration to mend (1, 2), or a bug (70): never tried again by itself | read the task's log: the error says what and where; then clear the run |

**Any order is safe.** One run is active at a time, a run that was killed is resumed, and an older
date may be run or run again whenever you like: its last task then runs again the later dates that
were built without it (`cascade`). A backfill of many dates beneath
many published ones costs less with `cascade` for one run only: docs/airflow.md.

The tasks of `tables` come after publication. Each stands for a table of the customer 360 and
emits its asset with the version that was published: schedule what reads the table by it.

Settings, from the environment of the scheduler and the workers: `SIMURGH_PIPELINE` (the pipeline
file), `SIMURGH_PROGRAM`, `SIMURGH_WAREHOUSE`, `SIMURGH_DIRECTORY` (where the program runs: paths
of the pipeline are relative to it), and `SIMURGH_IMAGE`: with it every stage is a pod of
Kubernetes. docs/airflow.md says more.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml
from airflow.sdk import (
    DAG,
    Asset,
    BaseOperator,
    CronDataIntervalTimetable,
    Metadata,
    Param,
    TaskGroup,
    chain,
    task,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

DIRECTORY = Path(os.environ.get("SIMURGH_DIRECTORY", Path(__file__).parents[2]))
PIPELINE = os.environ.get("SIMURGH_PIPELINE", "pipelines/customer360.yaml")
PROGRAM = os.environ.get("SIMURGH_PROGRAM", "simurgh")
WAREHOUSE = os.environ.get("SIMURGH_WAREHOUSE", str(DIRECTORY / "warehouse"))
IMAGE = os.environ.get("SIMURGH_IMAGE")

# Exit codes that a scheduler acts on: every other one needs a person.
TRY_AGAIN = 75
NOTHING_TO_DO = 99

STAGES = {
    "extract": "Exports to rows, under their contracts; rows that break them to `quarantine`.",
    "clean": "Rows to conformed customer records and facts.",
    "resolve": "Records to entities: block, compare, score, cluster, and golden ids that last.",
    "golden": "Entities to golden customers, with the lineage of every value.",
    "enrich": "What other tables say of customers: environment, social ties.",
    "profile": "The tables of the customer 360.",
    "land": "All tables to Delta Lake at once, with the run's manifest and report.",
}


def arguments(stage: str, context) -> list[str]:
    """The program's arguments for a stage; a list, which no shell reads.

    A first try runs the stage alone, on what the run handed over so far. A later one asks for all
    up to the stage: what is done is not done twice, and where an earlier date was published
    meanwhile the run is built anew on it.
    """
    words = ["run", PIPELINE, "--json", "--date", context["logical_date"].strftime("%Y-%m-%d")]
    words += ["--memory", context["params"]["memory"]]
    first, ti = next(iter(STAGES)), context["ti"]
    if stage == first:
        words += ["--stage", stage, "--skip-unchanged"]
    elif ti.try_number > 1:
        words += ["--to", stage]
    else:
        words += ["--stage", stage, "--run-id", ti.xcom_pull(task_ids=first)["run_id"]]
    if stage == "land" and context["params"]["cascade"]:
        words.append("--cascade")
    return words


def environment(context) -> dict[str, str]:
    """What the program reads of its environment: never a secret, which the workers' own has."""
    given = {
        "SIMURGH_WAREHOUSE": WAREHOUSE,
        "SIMURGH_DATA_INTERVAL_START": context["data_interval_start"].isoformat(),
        "SIMURGH_DATA_INTERVAL_END": context["data_interval_end"].isoformat(),
    }
    try:
        from airflow.providers.openlineage.plugins.macros import lineage_parent_id
    except ImportError:
        return given
    return {**given, "OPENLINEAGE_PARENT_ID": lineage_parent_id(context["ti"])}


def conclude(code: int, result: dict | None, context) -> dict | None:
    """What an exit code means to Airflow."""
    if code == 0:
        return result
    if code == NOTHING_TO_DO and context["params"]["cascade"] and (result or {}).get("stale"):
        return result  # Published before, but an interrupted cascade is still to be finished.
    if result:
        context["ti"].xcom_push(key="return_value", value=result)
    if code == NOTHING_TO_DO:
        raise AirflowSkipException("this run was published before: nothing to do")
    if code == TRY_AGAIN:
        raise AirflowException("exit code 75: to be tried again")
    raise AirflowFailException(f"exit code {code}: see the error above; not tried again")


class Stage(BaseOperator):
    """A stage as a process of this worker; its last line of standard output is its XCom."""

    def __init__(self, *, stage: str, **arguments):
        super().__init__(task_id=stage, **arguments)
        self.stage = stage
        self.process: subprocess.Popen | None = None

    def execute(self, context):
        command = [PROGRAM, *arguments(self.stage, context)]
        self.log.info("running %s", command)
        self.process = subprocess.Popen(
            command,
            cwd=DIRECTORY,
            env={**os.environ, **environment(context)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        # Apart, so that no line of the log can take the place of the result.
        log = threading.Thread(target=self.pass_on, args=(self.process.stderr,), daemon=True)
        log.start()
        try:
            last = self.pass_on(self.process.stdout)
            code = self.process.wait()
        except BaseException:  # A time-out of Airflow is one.
            self.on_kill()
            raise
        log.join()
        return conclude(code, json.loads(last) if last.startswith("{") else None, context)

    def pass_on(self, lines) -> str:
        last = ""
        for line in lines:
            last = line.rstrip() or last
            self.log.info("%s", line.rstrip())
        return last

    def on_kill(self):
        # It ends at once, wherever it is: a later try goes on from there.
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()


if IMAGE:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    # A constant: the arguments come after it as words of their own. The sidecar hands the file on.
    HAND_OVER = (
        'simurgh "$@" > /tmp/simurgh.out; code=$?; cat /tmp/simurgh.out; '
        "tail -n 1 /tmp/simurgh.out > /airflow/xcom/return.json; exit $code"
    )

    class StagePod(KubernetesPodOperator):
        """A stage as a pod, with the same meaning of exit codes."""

        def __init__(self, *, stage: str, **arguments):
            super().__init__(
                task_id=stage,
                name=f"simurgh-{stage}",
                image=IMAGE,
                cmds=["sh", "-c", HAND_OVER, "simurgh"],
                do_xcom_push=True,
                get_logs=True,
                **arguments,
            )
            self.stage = stage

        def execute(self, context):
            self.arguments = arguments(self.stage, context)
            self.env_vars = environment(context)
            return super().execute(context)

        def cleanup(self, pod, remote_pod, xcom_result=None, context=None, **others):
            code = exit_code(remote_pod, self.base_container_name)
            try:
                super().cleanup(
                    pod=pod,
                    remote_pod=remote_pod,
                    xcom_result=xcom_result,
                    context=context,
                    **others,
                )
            except AirflowException:
                # A pod that was lost before it ended has no code, and is tried again.
                if code is None:
                    raise
                conclude(code, xcom_result, context)


def exit_code(pod, container: str) -> int | None:
    """The exit code of a container of a pod, if it ended."""
    for status in (pod and pod.status and pod.status.container_statuses) or []:
        if status.name == container and status.state.terminated:
            return status.state.terminated.exit_code
    return None


def profile_tables() -> list[str]:
    """The tables of the pipeline's stage `profile`."""
    return list(yaml.safe_load((DIRECTORY / PIPELINE).read_text()).get("profile") or {})


def table_task(name: str):
    """The task that stands for a published table."""
    asset = Asset(name=f"{Path(PIPELINE).stem}.{name}", uri=f"simurgh://{Path(PIPELINE).stem}/{name}")

    @task(task_id=name, outlets=[asset], retries=0, doc_md=f"`{name}`: docs/tables.md")
    def emit(result: dict):
        if result["outcome"] != "published":
            raise AirflowSkipException("published before")
        version = result["tables"][name]
        extra = {"version": version, "run_id": result["run_id"], "date": result["logical_date"]}
        yield Metadata(asset, extra=extra)

    return emit


with DAG(
    dag_id=Path(PIPELINE).stem,
    # A data interval is a day; at three in the morning after it, its exports are there.
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 10, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["simurgh"],
    params={
        "cascade": Param(True, type="boolean", description="run stale later dates again"),
        "memory": Param("2GB", type="string", description="what a stage may hold; half as much again ends it"),
    },
    default_args={
        # Only exit code 75 comes this far: `conclude` ends the others.
        "retries": 6,
        "retry_delay": timedelta(seconds=int(os.environ.get("SIMURGH_RETRY_DELAY", 60))),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(hours=6),
    },
) as dag:
    operator = StagePod if IMAGE else Stage
    stages = [operator(stage=name, doc_md=text) for name, text in STAGES.items()]
    chain(*stages)
    if profile_tables():
        with TaskGroup("tables", tooltip="The tables of the customer 360, published"):
            for table in profile_tables():
                table_task(table)(stages[-1].output)
