#!/usr/bin/env bash
# Splink and simurgh on the same generated people, one after the other, judged by one script.
#   benches/peers/people.sh SHARED ROWS SEED
# SHARED holds `data/` (gen_people.py, evaluate.py) and `peers/` (run_splink.py). Python packages go
# into a folder that is thrown away; simurgh is taken from SIMURGH (else target/release/simurgh).
set -euo pipefail
shared=$(realpath "$1") rows=${2:-100000} seed=${3:-42}
cd "$(dirname "$0")/../.."
simurgh=$(realpath "${SIMURGH:-target/release/simurgh}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet splink==5.0.0 duckdb==2.0.0 pyarrow scipy pandas polars numpy
python=$work/venv/bin/python
mkdir -p "$work/in" "$work/splink" "$work/simurgh"
"$python" "$shared/data/gen_people.py" "$rows" "$work/in/people.parquet" --seed "$seed"

begun=$(date +%s.%N)
"$python" "$shared/peers/run_splink.py" "$work/in/people.parquet" "$work/splink" >/dev/null
splink_seconds=$(python3 -c "import time; print(round(time.time() - $begun, 1))")

begun=$(date +%s.%N)
PEOPLE=$work/in "$simurgh" run benches/peers/people/pipeline.yaml --date 2026-01-01 \
  --warehouse "$work/warehouse" --json >"$work/answer"
simurgh_seconds=$(python3 -c "import time; print(round(time.time() - $begun, 1))")
"$python" - "$work" <<'PYTHON'
import sys, polars as pl
work = sys.argv[1]
exports = f"{work}/warehouse/exports"
members = pl.read_parquet(f"{exports}/entity_members/**/*.parquet")
members.select(pl.col("record_id").alias("id"), pl.col("golden_id").rank("dense").cast(pl.Int64).alias("cluster_id")).write_parquet(f"{work}/simurgh/clusters.parquet")
pairs = pl.read_parquet(f"{exports}/scored_pairs/**/*.parquet")
pairs.select("record_id_l", "record_id_r", "match_weight").write_parquet(f"{work}/simurgh/pairs.parquet")
PYTHON
for tool in splink simurgh; do
  printf '%s: ' "$tool"
  "$python" "$shared/data/evaluate.py" "$work/in/people.parquet" id "$work/$tool"
done
echo "splink $splink_seconds s; simurgh $simurgh_seconds s, from files to golden tables"
