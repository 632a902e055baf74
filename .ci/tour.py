"""Asks every query of the tour as it is printed, and compares what is printed below it.

Usage: tour.py SIMURGH WAREHOUSE [--write]

With --write the answers are written into docs/tour.md instead.
"""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tour.md"
BLOCK = re.compile(r'^```console\n\$ simurgh tables --sql "(.*?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def main(program, warehouse, write):
    text = PAGE.read_text()
    asked, wrong = 0, []

    def answer(found):
        nonlocal asked
        asked += 1
        sql = found[1]
        ran = subprocess.run([program, "tables", "--warehouse", warehouse, "--sql", sql], capture_output=True, text=True)
        # The last line is for machines.
        shown = "".join(f"{line}\n" for line in ran.stdout.splitlines()[:-1])
        line = text.count("\n", 0, found.start()) + 1
        if ran.returncode or shown.count("\n") < 5:
            wrong.append(f"docs/tour.md:{line}: no rows {ran.stderr.strip()[:300]}")
        elif shown != found[2] and not write:
            wrong.append(f"docs/tour.md:{line}: the answer is another")
        return f'```console\n$ simurgh tables --sql "{sql}"\n{shown}```'

    written = BLOCK.sub(answer, text)
    if write:
        PAGE.write_text(written)
    for line in wrong:
        print(line)
    print(f"{asked} queries, {len(wrong)} problems")
    return bool(wrong) or not asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], "--write" in sys.argv[3:]))
