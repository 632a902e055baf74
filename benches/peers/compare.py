"""A peer and simurgh on the same file, one after the other: accuracy, seconds, memory and their ratios.

    compare.py DATASET [--shared DIR] [--simurgh PROGRAM] [--peer NAME]... [--mode configured|none]... [--rows N] [--seed S] [--repeat N]

DATASET is febrl3, febrl4, dblp_acm, restaurants, early_childhood, or people (made by gen_people.py with
--rows and --seed). DIR holds `data/` and `peers/`; `vs`, `vr`, `vg` beside this script's work folder are
virtual environments with Splink, recordlinkage and goldenmatch (--environments). simurgh runs twice:
configured, by settings/DATASET.yaml, and with no configuration; neither peers nor simurgh are given the
true entities. Each tool is a process of its own; its peak memory is that of the kernel's accounting. With
--repeat all tools run in turn so many times, and what is told of each is the median. Accuracy is
data/evaluate.py's, of clusters as delivered.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ID = {"febrl3": "rec_id", "febrl4": "rec_id", "dblp_acm": "rid", "restaurants": "id", "early_childhood": "id",
      "people": "id", "febrl1": "rec_id", "febrl2": "rec_id", "fake_1000": "unique_id"}
SOURCE = {"febrl4": "source", "dblp_acm": "source"}
PEERS = {"febrl3": ["splink", "goldenmatch", "goldenmatch-prob", "recordlinkage"],
         "febrl4": ["splink", "goldenmatch-prob"],
         "dblp_acm": ["splink", "goldenmatch", "recordlinkage"],
         "restaurants": ["splink", "goldenmatch", "recordlinkage"],
         "early_childhood": ["splink", "goldenmatch", "recordlinkage"],
         "people": ["splink"]}


def run(command, log):
    """Runs a process to its end: wall seconds, CPU seconds, peak megabytes."""
    begun = time.time()
    with open(log, "wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.time() - begun
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed; the end of its output:\n" + Path(log).read_text(errors="replace")[-2000:])
    return {"seconds": round(wall, 2), "cpu": round(usage.ru_utime + usage.ru_stime, 2), "megabytes": usage.ru_maxrss // 1024}


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("dataset", choices=sorted(ID))
    ask.add_argument("--shared", type=Path, default=Path("../shared"))
    ask.add_argument("--simurgh", default="target/debug/simurgh")
    ask.add_argument("--environments", type=Path, default=Path("."))
    ask.add_argument("--peer", action="append")
    ask.add_argument("--mode", action="append", choices=["configured", "none"])
    ask.add_argument("--rows", type=int, default=100_000)
    ask.add_argument("--seed", type=int, default=42)
    ask.add_argument("--repeat", type=int, default=1)
    ask.add_argument("--python", default=sys.executable, help="with numpy, pandas, polars, pyarrow and scipy")
    ask.add_argument("--keep", type=Path, help="keep the results in this folder")
    arguments = ask.parse_args()
    name, shared = arguments.dataset, arguments.shared.resolve()
    work = arguments.keep or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    data = shared / "data" / f"{name}.parquet"
    if name == "people":
        data = work / f"people-{arguments.rows}-{arguments.seed}.parquet"
        subprocess.run([arguments.python, shared / "data/gen_people.py", str(arguments.rows), data, "--seed", str(arguments.seed)],
                       check=True, stdout=subprocess.DEVNULL)
    commands = {}
    for peer in PEERS.get(name, []) if arguments.peer is None else arguments.peer:
        if peer == "-":
            continue
        short = {"s": "vs", "g": "vg", "r": "vr"}[peer[0]]
        python, out = arguments.environments / short / "bin/python", work / peer
        if name in ("dblp_acm", "restaurants", "early_childhood"):
            commands[peer] = [python, HERE / "others.py", peer, name, data, out]
        else:
            known = str(data) if name == "people" else name
            script = shared / "peers" / f"run_{peer.split('-')[0]}.py"
            commands[peer] = [python, script, known, out] + (["prob"] if peer.endswith("-prob") else [])
    for mode in arguments.mode or ["configured", "none"]:
        out = work / f"simurgh-{mode}"
        command = [arguments.simurgh, "dedupe", data, "--out", out, "--id", ID[name]]
        if name in SOURCE:
            command += ["--source", SOURCE[name], "--link-only"]
        command += ["--exclude", "cluster"]
        if mode == "configured":
            command += ["--settings", HERE / "settings" / f"{name}.yaml"]
        commands[f"simurgh ({'configured' if mode == 'configured' else 'no configuration'})"] = command
    # Where each tool leaves its results.
    outs = {tool: Path(command[command.index("--out") + 1]) if "--out" in command else work / tool for tool, command in commands.items()}
    costs = {tool: [] for tool in commands}
    for _ in range(arguments.repeat):
        for tool, command in commands.items():
            shutil.rmtree(outs[tool], ignore_errors=True)
            costs[tool].append(run([str(part) for part in command], work / f"{tool.split(' (')[0]}.log"))
    found = {}
    for tool, own in costs.items():
        cost = {what: round(statistics.median(one[what] for one in own), 2) for what in own[0]}
        judge = [arguments.python, shared / "data/evaluate.py", data, ID[name], outs[tool]] + (["--link"] if name in SOURCE else [])
        judged = json.loads(subprocess.run(judge, check=True, capture_output=True, text=True).stdout)
        found[tool] = {**cost, "delivered": judged["clusters_as_delivered"], "best": judged.get("best_clustered"), "best_pairs": judged.get("best_pairwise")}
        print(tool, json.dumps(found[tool]), "seconds:", *(one["seconds"] for one in own), flush=True)
    print(f"\n| {name}{f' {arguments.rows:,} seed {arguments.seed}' if name == 'people' else ''} | precision | recall | F1 as delivered | F1 best | seconds | CPU s | MB |\n|---|---|---|---|---|---|---|---|")
    for tool, own in found.items():
        best = max(own["best"]["F1"] if own["best"] else 0, own["best_pairs"]["F1"] if own["best_pairs"] else 0)
        d = own["delivered"]
        print(f"| {tool} | {d['P']:.4f} | {d['R']:.4f} | {d['F1']:.4f} | {best:.4f} | {own['seconds']} | {own['cpu']} | {own['megabytes']} |")
    ours = next((own for tool, own in found.items() if tool.startswith("simurgh")), None)
    for tool, own in found.items():
        if ours and not tool.startswith("simurgh"):
            print(f"{tool} over simurgh: {own['seconds'] / max(ours['seconds'], .01):.1f} times the seconds, {own['cpu'] / max(ours['cpu'], .01):.1f} times the CPU seconds, {own['megabytes'] / ours['megabytes']:.1f} times the memory")


main()
