"""Eight processes of one run at once, then eight different runs at once, on another S3 server.

Usage: crowd.py PROGRAM [CROWDS]

The server of the tests lets one request change something at a time; moto's conditional puts are
atomic by themselves, so that here requests race. Installs moto into .venv-moto. Each run id must
have one commit in every table's log, and one place in the history. On demand, not a step of run.
"""

import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-moto"
PROCESSES = 8


def install():
    if not (VENV / "bin/moto_server").exists():
        subprocess.run(["python3", "-m", "venv", VENV], check=True)
        pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "moto[server]==5.2.5"], check=True)
    if Path(sys.prefix) != VENV:
        os.execv(VENV / "bin/python", ["python", __file__, *sys.argv[1:]])


def until_done(command, environment):
    """As a scheduler does: again while the exit code is 75."""
    script = 'for try in $(seq 20); do "$@"; code=$?; [ $code = 75 ] || exit $code; done; exit 75'
    return subprocess.Popen(
        ["sh", "-c", script, "sh", *command], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )


def crowd(program, client, bucket, environment, settings):
    client.create_bucket(Bucket=bucket)
    command = [program, "run", "pipelines/tiny.yaml", "--date", "2026-11-01", "--json", "--warehouse", f"s3://{bucket}/wh"]
    started = [until_done([*command, *own], environment) for own in settings]
    answers = []
    for process in started:
        out, _ = process.communicate()
        answers.append((process.returncode, json.loads(out.splitlines()[-1])))
    bad = [answer for answer in answers if answer[0] != 0]
    assert not bad, bad
    runs = {answer["run_id"] for _, answer in answers}

    keys = [
        entry["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for entry in page.get("Contents", [])
    ]
    read = lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    commits = collections.Counter()
    for key in keys:
        if "/_delta_log/" in key:
            actions = [json.loads(line) for line in read(key).splitlines()]
            commits.update((key.split("/")[2], own["txn"]["appId"]) for own in actions if "txn" in own)
    assert commits and set(commits.values()) == {1}, commits
    assert {run for _, run in commits} == runs, (commits, runs)
    history = [json.loads(read(key))["run_id"] for key in keys if "/runs/seq/" in key]
    assert sorted(history) == sorted(runs), history
    return len(runs), len(commits)


def main():
    install()
    import boto3

    program, crowds = Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tempfile.TemporaryFile()
    server = subprocess.Popen([VENV / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        given = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        }
        client = boto3.client("s3", endpoint_url=given["AWS_ENDPOINT_URL"], region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        for _ in range(60):
            try:
                client.list_buckets()
                break
            except Exception:
                time.sleep(1)
        environment = {**os.environ, **given}
        for n in range(crowds):
            same = crowd(program, client, f"same-{n}", environment, [[]] * PROCESSES)
            different = [["--set", f"resolve.person.thresholds.review=0.4{k}"] for k in range(PROCESSES)]
            others = crowd(program, client, f"different-{n}", environment, different)
            print(f"one run by {PROCESSES} processes: {same[1]} commits to {same[1]} tables; {others[0]} runs: {others[1]} commits, one for each run and table", flush=True)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
