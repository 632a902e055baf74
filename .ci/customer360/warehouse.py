"""A warehouse's newest set of tables as plain Python rows, and how two tables are compared.

Knows Delta tables and exact equality; knows nothing of what the columns mean.
"""

import json
import os
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from deltalake import DeltaTable


class Warehouse:
    """The tables of the newest published run, each read once when it is asked for."""

    def __init__(self, path):
        self.path = Path(path)
        current = json.loads((self.path / "runs" / "current.json").read_text())
        self.versions = current["tables"]
        self.rows = {}

    def __getitem__(self, name):
        if name not in self.rows:
            path = str(self.path / "tables" / name)
            table = DeltaTable(path, version=self.versions[name])
            self.rows[name] = table.to_pyarrow_table().to_pylist()
        return self.rows[name]


def rounded(number, places=2):
    """To so many decimal places, half away from zero; null stays null."""
    if number is None:
        return None
    return Decimal(number).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def ratio(over, under, places=4):
    """A quotient rounded once; null where there is nothing to divide by."""
    if over is None or not under:
        return None
    return rounded(Decimal(over) / Decimal(under), places)


def differences(name, expected, landed, key):
    """What differs between expected and landed rows: columns and counts, never a value."""
    want = {tuple(row[column] for column in key): row for row in expected}
    have = {tuple(row[column] for column in key): row for row in landed}
    if len(want) != len(expected) or len(have) != len(landed):
        yield f"{name}: a key stands twice"
    missing, beyond = len(want.keys() - have.keys()), len(have.keys() - want.keys())
    if missing or beyond:
        yield f"{name}: {missing} rows are missing, {beyond} are not expected"
    wrong = {}
    for place in want.keys() & have.keys():
        for column, value in want[place].items():
            if column not in have[place] or have[place][column] != value:
                wrong.setdefault(column, []).append(place)
    for column, places in sorted(wrong.items()):
        yield f"{name}.{column}: {len(places)} of {len(want)} rows differ"


def end(code):
    """Ends a script with its own exit code: how the readers' native threads go down is none of its business."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
