"""Lints every data contract below a folder, as `datacontract lint` does, in one process.

Usage: contracts.py FOLDER

A warning fails too: it means that a file is not a contract of the Open Data Contract Standard.
"""

import sys
from pathlib import Path

from datacontract.data_contract import DataContract


def main(folder):
    contracts = sorted(folder.rglob("*.odcs.yaml"))
    failed = 0
    for path in contracts:
        run = DataContract(data_contract_file=str(path)).lint()
        if not run.has_passed():
            failed += 1
            reasons = [c.reason or c.name for c in run.checks if c.result.value != "passed"]
            print(f"{path}: {run.result.value}: {'; '.join(reasons)}")
    print(f"{len(contracts)} contracts, {failed} failed")
    return failed > 0 or not contracts


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
