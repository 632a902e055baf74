"""The SQL of enrich and profile by one engine, on staged Parquet files: each table's CPU time.

Usage: engines.py (datafusion | duckdb) --files FILES.json --out DIR [--memory 2GB] [--threads N]

Every table is made as the program makes it: its SELECT, sorted by its key, into one Parquet file
compressed by LZ4, from the files of those before it. `datafusion` is the optimised build of the
engine that simurgh uses, of its Python package, with the session settings of
src/engine/session.rs and without what src/engine/shared.rs and windows.rs do: joins are sorted, or hashed with
HASH_JOIN=true, and what a query names twice is computed twice. What a computation makes (k-means, PageRank, models) is beside SQL: its
input is selected and written, and what reads the table gets a stand-in of the right columns.
Prints one JSON object a table.
"""

import argparse
import json
import math
import os
import re
import resource
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = ROOT / "pipelines" / "customer360.yaml"
# What reads a computed table gets this of its input.
STAND_INS = {
    "social_rank": "SELECT golden_id, CAST(0.000001 AS DECIMAL(18, 12)) AS pagerank FROM social_rank_input GROUP BY golden_id",
    "customer_value": "SELECT golden_id, CAST(0.5 AS DECIMAL(9, 6)) AS probability_active, CAST(1 AS DECIMAL(14, 6)) AS expected_purchases_12m, "
    "CAST(10 AS DECIMAL(18, 2)) AS expected_purchase_value, CAST(10 AS DECIMAL(18, 2)) AS expected_value_12m, "
    "frequency IS NULL OR frequency < 1 AS population_estimate FROM customer_value_input",
    "micro_segments": "SELECT golden_id, CAST(coalesce(categories, 0) % 5 + 1 AS BIGINT) AS micro_segment FROM micro_segments_input",
    "personas": "SELECT micro_segment, 'persona ' || CAST(micro_segment AS VARCHAR) AS persona FROM personas_input GROUP BY micro_segment",
}
TYPES = {"string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP", "integer": "BIGINT", "boolean": "BOOLEAN"}


def contract_columns(name):
    """The columns of a landed table, as an empty SELECT of the right types."""
    schema = yaml.safe_load((ROOT / "schemas" / f"{name}.odcs.yaml").read_text())["schema"][0]
    kind = lambda column: column.get("physicalType") if str(column.get("physicalType", "")).startswith("decimal") else TYPES[column["logicalType"]]
    columns = ", ".join(f'CAST(NULL AS {kind(c)}) AS "{c["name"]}"' for c in schema["properties"])
    return f"SELECT {columns} WHERE false"


class DuckDB:
    def __init__(self, memory, threads, work):
        import duckdb

        self.connection = duckdb.connect()
        self.run(f"SET memory_limit = '{memory}'; SET threads = {threads}; SET temp_directory = '{work}/spill'")
        self.run("SET integer_division = true; SET TimeZone = 'UTC'")
        self.run("CREATE MACRO postcode_normalise(code, country) AS upper(regexp_replace(code, '[^0-9A-Za-z]', '', 'g'))")
        self.run("CREATE MACRO text_fold(text) AS lower(trim(text))")
        self.run("CREATE MACRO arrow_cast(value, kind) AS CAST(value AS TIMESTAMPTZ)")
        self.run(
            "CREATE MACRO great_circle_km(a, b, c, d) AS 2 * 6371.0088 * asin(sqrt(least(1.0, "
            "pow(sin(radians(CAST(c AS DOUBLE) - a) / 2), 2) + cos(radians(a)) * cos(radians(c)) * pow(sin(radians(CAST(d AS DOUBLE) - b) / 2), 2))))"
        )

    def run(self, sql):
        self.connection.execute(sql)

    def view(self, name, path):
        self.run(f"CREATE OR REPLACE VIEW \"{name}\" AS SELECT * FROM read_parquet('{path}')")

    def empty(self, name, sql):
        self.run(f'CREATE OR REPLACE VIEW "{name}" AS {sql}')

    def write(self, sql, key, path):
        # DuckDB multiplies decimals of up to 18 digits in 64 bits, and stops where that is too few.
        sql = re.sub(r"cast\(([ps]\.\w+) \* (\(?r\.)", r"cast(cast(\1 as decimal(20, 2)) * \2", sql)
        sql = re.sub(r"\* except \((\w+)\)", r"* EXCLUDE (\1)", sql)
        order = ", ".join(f'"{column}"' for column in key)
        self.run(f"COPY (SELECT * FROM ({sql}) ORDER BY {order}) TO '{path}' (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880)")


class DataFusion:
    def __init__(self, memory, threads, work):
        import datafusion
        import pyarrow

        sizes = {"MB": 1 << 20, "GB": 1 << 30}
        size = int(float(memory[:-2]) * sizes[memory[-2:]])
        settings = {
            "datafusion.optimizer.prefer_hash_join": os.environ.get("HASH_JOIN", "false"),
            "datafusion.optimizer.top_down_join_key_reordering": "false",
            "datafusion.execution.parquet.schema_force_view_types": "false",
            "datafusion.sql_parser.map_string_types_to_utf8view": "false",
            "datafusion.execution.sort_spill_reservation_bytes": str(4 << 20),
            "datafusion.sql_parser.parse_float_as_decimal": "true",
            "datafusion.execution.time_zone": "UTC",
            "datafusion.execution.parquet.compression": "lz4_raw",
            "datafusion.execution.parquet.max_row_group_size": "122880",
        }
        config = datafusion.SessionConfig().with_target_partitions(threads)
        for name, value in settings.items():
            config = config.set(name, value)
        os.makedirs(f"{work}/spill", exist_ok=True)
        runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_specified(f"{work}/spill").with_fair_spill_pool(size)
        self.context = datafusion.SessionContext(config, runtime)
        text, number = pyarrow.string(), pyarrow.float64()

        def by_value(function, kind):
            """A function of Python over columns; few of the values are distinct."""
            remembered = {}

            def call(*columns):
                found = []
                for values in zip(*(column.to_pylist() for column in columns)):
                    if values not in remembered:
                        remembered[values] = None if values[0] is None else function(*values)
                    found.append(remembered[values])
                return pyarrow.array(found, kind)

            return call

        def km(a, b, c, d):
            half = lambda l, r: math.sin(math.radians(r - l) / 2) ** 2
            chord = half(a, c) + math.cos(math.radians(a)) * math.cos(math.radians(c)) * half(b, d)
            return 2 * 6371.0088 * math.asin(math.sqrt(min(chord, 1)))

        functions = [
            ("postcode_normalise", lambda code, country: re.sub("[^0-9A-Za-z]", "", code).upper(), [text, text], text),
            ("text_fold", lambda value: value.strip().lower(), [text], text),
            ("great_circle_km", km, [number] * 4, number),
        ]
        for name, function, takes, gives in functions:
            self.context.register_udf(datafusion.udf(by_value(function, gives), takes, gives, "immutable", name))

    def view(self, name, path):
        if self.context.table_exist(name):
            self.context.deregister_table(name)
        self.context.register_parquet(name, str(path))

    def empty(self, name, sql):
        self.context.register_view(name, self.context.sql(sql))

    def write(self, sql, key, path):
        order = ", ".join(f'"{column}" ASC NULLS FIRST' for column in key)
        self.context.sql(f"COPY (SELECT * FROM ({sql}) ORDER BY {order}) TO '{path}' STORED AS PARQUET").collect()


def literals(date):
    document = yaml.safe_load(PIPELINE.read_text())
    values = {k: f"'{v}'" if isinstance(v, str) else str(v) for k, v in document["parameters"].items()}
    return document, values | {"logical_date": f"DATE '{date}'", "reporting_currency": "'USD'"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=("datafusion", "duckdb"))
    parser.add_argument("--files", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--date", default="2026-11-01")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    engine = {"datafusion": DataFusion, "duckdb": DuckDB}[arguments.engine](arguments.memory, arguments.threads, arguments.out)
    document, values = literals(arguments.date)
    for name, path in json.loads(arguments.files.read_text()).items():
        engine.view(name, path)
    for name in ("transactions", "costs"):
        engine.empty(f"previous_{name}", f"SELECT * FROM {name} WHERE false")
    engine.empty("previous_customer_history", contract_columns("customer_history"))
    only = set(filter(None, arguments.only.split(",")))
    for section in ("enrich", "profile"):
        for name, table in document[section].items():
            text = table.get("sql") or (PIPELINE.parent / table["file"]).read_text()
            text = re.sub(r"--.*", "", text)
            text = re.sub(r"\$(\w+)", lambda found: values[found[1]], text)
            path = arguments.out / f"{name}.parquet"
            if only and name not in only and path.exists():
                engine.view(name, path)
                continue
            before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
            try:
                if table.get("compute"):
                    engine.write(text, ["golden_id"], arguments.out / f"{name}_input.parquet")
                    engine.view(f"{name}_input", arguments.out / f"{name}_input.parquet")
                    text = STAND_INS[name]
                engine.write(text, table["key"], path)
            except Exception as error:
                print(json.dumps({"table": name, "error": str(error)[:400]}), flush=True)
                raise SystemExit(1)
            after = resource.getrusage(resource.RUSAGE_SELF)
            engine.view(name, path)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(json.dumps({"table": name, "cpu": round(cpu, 2), "seconds": round(time.monotonic() - begun, 2),
                              "resident": after.ru_maxrss * 1024}), flush=True)


if __name__ == "__main__":
    main()
