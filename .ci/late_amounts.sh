#!/usr/bin/env bash
# Amounts that come late: on the second day a credit note of some days ago. The day that was stated
# in between must be stated anew, say so, and be what is known now.
#
# Usage: late_amounts.sh SIMURGH PYTHON
set -euo pipefail
trap 'echo "line $LINENO: exit code $?" >&2' ERR
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r fixtures/customer360 "$work/exports"
notes=$work/exports/accounting/credit-notes
# The last good note of the first day once more, of another number and day.
tail -n 1 "$notes-2026-11-01.csv" | sed -E 's/^N-[0-9]+/N-999999/; s/[0-9-]{10}\r?$/2026-10-30/' >>"$notes-2026-11-02.csv"
for day in 2026-11-01 2026-11-02; do
  CUSTOMER360_INPUTS=$work/exports "$1" run pipelines/customer360.yaml --date "$day" --warehouse "$work/warehouse" -q
done
"$2" .ci/formulas.py "$work/warehouse"
"$2" - "$work/warehouse" <<'PYTHON'
import sys
from datetime import date

sys.path.insert(0, ".ci")
from customer360.journey import Stages
from customer360.ledger import Ledger
from customer360.warehouse import Warehouse, end

tables = Warehouse(sys.argv[1])
day, run = date(2026, 11, 1), date(2026, 11, 2)
rows = [row for row in tables["customer_history"] if row["day"] == day]
anew = [row for row in rows if row["stated_on"] == run]
assert anew and all(row["restated"] for row in anew), "nothing is stated anew"
assert not any(row["restated"] for row in rows if row["stated_on"] == day), "restated on its own day"
held = {row["golden_id"]: row for row in sorted(rows, key=lambda row: row["stated_on"])}
ledger = Ledger(tables, day)
economics = list(ledger.economics(day))
stages = Stages(ledger)
for want in ledger.tiers(economics):
    have = held[want["golden_id"]]
    assert have["profit_365"] == want["profit_365"] and have["tier"] == want["tier"], "not what is known now"
    assert have["stage"] == stages.at(want["golden_id"], day), "not the stage that is known now"
moved = sum(row["tier_before"] not in (None, row["tier"]) for row in anew)
print(f"{len(anew)} of {len(held)} customers stated anew, {moved} in another tier")
end(0)
PYTHON
