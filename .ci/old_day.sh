#!/usr/bin/env bash
# An old day run after newer values came: the exports of 2026-11-01, handed over as those of
# 2026-05-31, so that half a year of facts and two restatements of the reference lie ahead of the
# logical date. Everything must be as it was known then.
#
# Usage: old_day.sh SIMURGH PYTHON
set -euo pipefail
trap 'echo "line $LINENO: exit code $?" >&2' ERR
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r fixtures/customer360 "$work/exports"
find "$work/exports" -depth -name '*2026-11-02*' -exec rm -rf {} +
find "$work/exports" -depth -name '*2026-11-01*' | while IFS= read -r path; do
  mv "$path" "${path//2026-11-01/2026-05-31}"
done
CUSTOMER360_INPUTS=$work/exports "$1" run pipelines/customer360.yaml --date 2026-05-31 --warehouse "$work/warehouse" -q
"$2" .ci/formulas.py "$work/warehouse"
"$2" - "$work/warehouse" <<'PYTHON'
import sys
from datetime import date

sys.path.insert(0, ".ci")
from customer360.warehouse import Warehouse, end

rows = Warehouse(sys.argv[1])["customer_environment"]
known = [row for row in rows if row["value"] is not None]
assert known and max(row["known_at"] for row in known) <= date(2026, 5, 31), "a value of the future"
print(f"{len(known)} values, none known later than the day")
end(0)
PYTHON
