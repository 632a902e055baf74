"""Other readers on a warehouse: deltalake, polars and DuckDB must see the same tables.

Usage: readers.py WAREHOUSE

For every published set of versions (runs/seq/*.json) each table is read at its version by all
three: the counts of rows, the names and types of columns and the sorted values of the key columns
must agree. Knows the types that INTERFACES promises; knows nothing of how they were made.
"""

import json
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow
from deltalake import DeltaTable

TEXT, DOUBLE, DATE = pyarrow.string(), pyarrow.float64(), pyarrow.date32()
TIME = pyarrow.timestamp("us", tz="UTC")

# Columns whose type is promised in every table but those of raw rows, which are as their
# contracts say.
TYPES = {
    **dict.fromkeys(
        "source record_id golden_id other_golden_id old_golden_id run_id since_run kind "
        "source_l record_id_l source_r record_id_r blocking_rule decision decided_by "
        "model_hash currency".split(),
        TEXT,
    ),
    **dict.fromkeys(["match_weight", "match_probability"], DOUBLE),
    **dict.fromkeys(["updated_at", "first_seen", "last_updated"], TIME),
    **dict.fromkeys(["valid_from", "valid_to", "logical_date", "birth_date"], DATE),
    **dict.fromkeys(["member_count", "source_count"], pyarrow.int32()),
}

# Tables that every published run has, and columns of theirs.
TABLES = {
    "customers": "golden_id kind member_count source_count first_seen last_updated",
    "customer_lineage": "golden_id attribute source record_id value rule won reason",
    "entity_members": "golden_id source record_id since_run",
    "entity_events": "run_id golden_id event cause other_golden_id",
    "id_redirects": "old_golden_id golden_id valid_from valid_to run_id",
    "match_log": "source_l record_id_l source_r record_id_r match_weight run_id change",
    "quarantine": "source file row_number rule reason raw run_id",
    "records": "source record_id kind updated_at content_hash run_id",
    "scored_pairs": "source_l record_id_l source_r record_id_r match_weight match_probability",
}

# Tables that keep the rows of earlier runs; of all others a run's rows are the table's.
LOGS = {"customer_history", "entity_events", "match_log", "quarantine"}

# What DuckDB calls the types above.
DUCKDB = {TEXT: "VARCHAR", DOUBLE: "DOUBLE", DATE: "DATE", TIME: "TIMESTAMP WITH TIME ZONE"}


def plain(type_):
    """The type without what differs between readers and means nothing: views, large offsets."""
    if pyarrow.types.is_string_view(type_) or pyarrow.types.is_large_string(type_):
        return TEXT
    if pyarrow.types.is_binary_view(type_) or pyarrow.types.is_large_binary(type_):
        return pyarrow.binary()
    if isinstance(type_, (pyarrow.ListType, pyarrow.LargeListType)):
        return pyarrow.list_(plain(type_.value_type))
    return type_


def problems_of(warehouse, name, version, written):
    """What is wrong with one table at one version, by three readers; `written` rows are its."""
    path = str(warehouse / "tables" / name)
    table = DeltaTable(path, version=version)
    one = table.to_pyarrow_table()
    two = polars.scan_delta(path, version=version).collect()
    files = table.file_uris()
    if files:
        three = duckdb.read_parquet(files, union_by_name=True)
        described = dict(zip(three.columns, map(str, three.types)))
        duckdb_rows = len(three)
    else:
        three, described, duckdb_rows = None, {}, 0

    rows = {"deltalake": one.num_rows, "polars": two.height, "DuckDB": duckdb_rows}
    if len(set(rows.values())) != 1:
        yield f"rows differ: {rows}"
    if one.num_rows < written or (one.num_rows > written and name not in LOGS):
        yield f"{one.num_rows} rows, and the run says {written}"
    types = {field.name: plain(field.type) for field in one.schema}
    other = {field.name: plain(field.type) for field in two.to_arrow().schema}
    if list(types) != list(other) or (three is not None and set(types) != set(described)):
        yield f"columns differ: {list(types)}, {list(other)}, {list(described)}"
    for column, type_ in types.items():
        if other.get(column) != type_:
            yield f"{column}: {type_} for deltalake, {other.get(column)} for polars"
        promised = None if name.startswith("raw_") else TYPES.get(column)
        if promised is not None and type_ != promised:
            yield f"{column}: {type_}, promised {promised}"
        if three is not None and type_ in DUCKDB and described.get(column) != DUCKDB[type_]:
            yield f"{column}: {described.get(column)} for DuckDB, expected {DUCKDB[type_]}"
    if "currency" in types and not any(pyarrow.types.is_decimal(t) for t in types.values()):
        yield "a currency, and no decimal amount"
    for column in TABLES.get(name, "").split():
        if column not in types:
            yield f"no column {column}"

    keys = [c for c in ("golden_id", "source", "record_id", "old_golden_id") if c in types]
    if three is not None and keys:
        # By their text: a fact without a record has a null key, which Python does not order.
        expected = sorted(zip(*(one[key].to_pylist() for key in keys)), key=repr)
        if sorted(two.select(keys).rows(), key=repr) != expected:
            yield "polars reads other keys"
        duck = three.select(*map(duckdb.ColumnExpression, keys)).fetchall()
        if sorted(duck, key=repr) != expected:
            yield "DuckDB reads other keys"


def main(warehouse):
    runs = warehouse / "runs"
    published = [
        json.loads(path.read_text())
        for path in sorted((runs / "seq").glob("*.json"), key=lambda path: int(path.stem))
    ]
    if not published:
        sys.exit(f"{warehouse}: nothing is published")
    wrong = []
    if json.loads((runs / "current.json").read_text())["tables"] != published[-1]["tables"]:
        wrong.append("runs/current.json does not name the newest versions")
    read = 0
    for number, run in enumerate(published, 1):
        for name in sorted(TABLES.keys() - run["tables"].keys()):
            wrong.append(f"set {number}: no table {name}")
        for name, version in run["tables"].items():
            read += 1
            for problem in problems_of(warehouse, name, version, run["rows"][name]):
                wrong.append(f"set {number}, {name} at version {version}: {problem}")
        results = json.loads((runs / run["run_id"] / "run_results.json").read_text())
        if results.get("tables") != run["tables"]:
            wrong.append(f"set {number}: run_results.json names other versions")
    for line in wrong:
        print(line)
    print(f"{len(published)} sets, {read} tables, {len(wrong)} problems")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
