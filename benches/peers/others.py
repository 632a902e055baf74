"""Peers on the sets that `run_PEER.py` does not know: dblp_acm (link only), restaurants, early_childhood.

    others.py splink|goldenmatch|goldenmatch-prob|recordlinkage DATASET FILE.parquet OUT

Each peer is configured as its own documentation advises for such columns; names, addresses and titles
are lowered and stripped of punctuation for all alike. Writes OUT/clusters.parquet and OUT/pairs.parquet.
"""
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

peer, dataset, path, out = sys.argv[1:5]
Path(out).mkdir(parents=True, exist_ok=True)
ID = {"dblp_acm": "rid", "restaurants": "id", "early_childhood": "id"}[dataset]
LINK = dataset == "dblp_acm"
TEXT = {
    "dblp_acm": ["title", "authors", "venue", "year"],
    "restaurants": ["name", "address", "city", "cuisine"],
    "early_childhood": ["Site name", "Address", "Zip", "Phone"],
}[dataset]


def plain(value):
    value = re.sub(r"[^\w]+", " ", (value or "").lower()).strip()
    return value or None


def snake(name):
    return name.lower().replace(" ", "_")


source = pq.read_table(path)
ids = [str(value) for value in source.column(ID).to_pylist()]
table = {snake(c): [plain(v) for v in source.column(c).to_pylist()] for c in TEXT}
if dataset == "early_childhood":
    table["phone"] = [re.sub(r"\D", "", v or "")[-10:] or None for v in table["phone"]]
sides = source.column("source").to_pylist() if LINK else None
if LINK:
    table["year"] = [(v or "").removesuffix(" 0") or None for v in table["year"]]  # written as 1999.0 in one
fields = list(table)


def write(pairs, clusters):
    left, right, score = zip(*pairs) if pairs else ((), (), ())
    pq.write_table(pa.table({"l": pa.array(left, pa.string()), "r": pa.array(right, pa.string()),
                             "s": pa.array(score, pa.float64())}), f"{out}/pairs.parquet")
    record, cluster = zip(*clusters)
    pq.write_table(pa.table({"id": record, "cluster_id": cluster}), f"{out}/clusters.parquet")


if peer == "splink":
    import duckdb
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect()
    con.register("raw", pa.table({"id": ids, **table, **({"side": sides} if LINK else {})}))
    if LINK:
        names = sorted(set(sides))
        for name in names:
            con.sql(f"create table t_{name} as select * exclude(side) from raw where side = '{name}'")
        comparisons = [cl.JaroWinklerAtThresholds("title", [0.97, 0.9, 0.8]),
                       cl.JaccardAtThresholds("authors", [0.9, 0.7, 0.5]),
                       cl.JaroWinklerAtThresholds("venue", [0.8]), cl.ExactMatch("year")]
        blocks = [block_on("substr(title,1,8)"), block_on("year", "substr(authors,1,5)"), block_on("title")]
        training = [block_on("substr(authors,1,5)", "year"), block_on("substr(title,1,8)")]
        deterministic, tables = [block_on("title", "year")], [con.table(f"t_{n}") for n in names]
    elif dataset == "restaurants":
        con.sql("create table t as select * from raw")
        comparisons = [cl.JaroWinklerAtThresholds("name", [0.97, 0.88, 0.8]),
                       cl.JaroWinklerAtThresholds("address", [0.95, 0.85]),
                       cl.ExactMatch("city").configure(term_frequency_adjustments=True), cl.JaroWinklerAtThresholds("cuisine", [0.88])]
        blocks = [block_on("substr(name,1,4)"), block_on("substr(address,1,6)"), block_on("name")]
        training = [block_on("substr(name,1,4)"), block_on("substr(address,1,6)")]
        deterministic, tables = [block_on("name", "city")], [con.table("t")]
    else:
        con.sql("create table t as select * from raw")
        comparisons = [cl.JaroWinklerAtThresholds("site_name", [0.97, 0.88, 0.75]),
                       cl.JaroWinklerAtThresholds("address", [0.97, 0.88, 0.75]),
                       cl.ExactMatch("zip").configure(term_frequency_adjustments=True), cl.LevenshteinAtThresholds("phone", [1, 2])]
        blocks = [block_on("substr(site_name,1,6)"), block_on("substr(address,1,8)"), block_on("phone")]
        training = [block_on("phone"), block_on("substr(address,1,8)")]
        deterministic, tables = [block_on("site_name", "address")], [con.table("t")]
    api = DuckDBAPI(connection=con)
    registered = [api.register(t) for t in tables]
    linker = Linker(registered if LINK else registered[0], SettingsCreator(
        link_type="link_only" if LINK else "dedupe_only", unique_id_column_name="id",
        blocking_rules_to_generate_predictions=blocks, comparisons=comparisons))
    linker.training.estimate_probability_two_random_records_match(deterministic, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=1)
    for rule in training:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    write(con.sql(f"select id_l, id_r, match_weight from {predicted.physical_name}").fetchall(),
          con.sql(f"select id, cluster_id from {clusters.physical_name}").fetchall())
elif peer.startswith("goldenmatch"):
    import goldenmatch as gm

    frame = pa.table(table)
    options = {}
    if peer.endswith("prob"):
        from goldenmatch.core.autoconfig import auto_configure_probabilistic_df
        options["config"] = auto_configure_probabilistic_df(frame)
    if LINK:
        first = sorted(set(sides))[0]
        left = [row for row, side in enumerate(sides) if side == first]
        right = [row for row, side in enumerate(sides) if side != first]
        result = gm.match_df(frame.take(left), frame.take(right), **options)
        found = result.matched
        columns = [found.column(f"__{name}__").to_pylist() for name in ("target_row_id", "ref_row_id", "match_score")]
        offset = len(left) if min(columns[1], default=0) >= len(left) else 0
        pairs = [(ids[left[a]], ids[right[b - offset]], float(s)) for a, b, s in zip(*columns)]
        together = {}
        for a, b, _ in pairs:
            together[b] = together[a] = together.get(a, together.get(b, a))
        write(pairs, [(record, together.get(record, record)) for record in ids])
    else:
        result = gm.dedupe_df(frame, **options)
        clusters = []
        for cluster_id, members in result.clusters.items():
            for m in members["members"] if isinstance(members, dict) else members.members:
                clusters.append((ids[m], str(cluster_id)))
        write([(ids[a], ids[b], float(s)) for a, b, s in list(result.scored_pairs or [])], clusters)
else:
    import numpy as np
    import pandas as pd
    import recordlinkage as rl
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    frame = pd.DataFrame(table, index=pd.Index(ids, name="id")).astype(object)
    long = {"dblp_acm": "title", "restaurants": "name", "early_childhood": "site_name"}[dataset]
    second = {"dblp_acm": "authors", "restaurants": "address", "early_childhood": "address"}[dataset]
    frame["k1"], frame["k2"] = frame[long].str.slice(0, 6), frame[second].str.slice(0, 6)
    if LINK:
        first = sorted(set(sides))[0]
        mask = np.array([s == first for s in sides])
        data = (frame[mask], frame[~mask])
    else:
        data = (frame,)
    index = rl.Index()
    index.block("k1")
    index.block("k2")
    pairs = index.index(*data)
    compare = rl.Compare()
    for field in fields:
        if field in ("year", "zip", "city"):
            compare.exact(field, field, label=field)
        else:
            compare.string(field, field, method="jarowinkler", threshold=0.85, label=field)
    vectors = compare.compute(pairs, *data)
    model = rl.ECMClassifier()
    model.fit(vectors)
    probability = np.asarray(model.prob(vectors))
    left, right = (vectors.index.get_level_values(i).astype(str) for i in (0, 1))
    keep = probability >= 0.001
    where = pd.Index(ids)
    merge = probability >= 0.5
    a, b = where.get_indexer(left[merge]), where.get_indexer(right[merge])
    _, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(len(ids),) * 2), directed=False)
    write(list(zip(left[keep], right[keep], probability[keep].astype(float))), list(zip(ids, [str(x) for x in label])))
