//! What a stage read and wrote, as datasets of OpenLineage.
//!
//! A source is a dataset by its path in the pipeline, `{date}` and all, so that it is the same one
//! every day. What stages hand over is named without the run; a table is named by its folder.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::run::Run;
use crate::engine::{ColumnLineage, Done, StagedTable, Store, UsedColumn};
use crate::report::{Dataset, Facets, Job};

/// A stage under way, for the process that is at it.
pub(super) fn job(run: &Run, stage: &str) -> Job {
    Job {
        name: format!("{}.{stage}", run.identity.pipeline),
        attempt: run.staging.attempt(stage, run.identity.predecessor).folder(),
        nominal_time: format!("{}T00:00:00Z", run.identity.logical_date),
    }
}

/// What a stage reads: exports, or tables that stages before it handed over. While it is under way
/// only the exports are known.
pub(super) fn inputs(run: &Run, stage: &str, before: &[Done], done: Option<&Done>) -> Vec<Dataset> {
    if stage == "extract" {
        return run.loaded.pipeline.sources.keys().map(|name| source(run, name, done)).collect();
    }
    let Some(done) = done else { return Vec::new() };
    let own: BTreeSet<&str> = done.tables.iter().map(|table| table.name.as_str()).collect();
    let landing = stage == "land";
    let read: BTreeSet<&str> = match stage {
        "land" => own,
        "resolve" => BTreeSet::from(["records"]),
        "golden" => BTreeSet::from(["records", "entity_members"]),
        _ => done
            .tables
            .iter()
            .flat_map(|t| t.lineage.tables())
            .filter(|t| !own.contains(t))
            .collect(),
    };
    let staged = before.iter().flat_map(|done| &done.tables);
    staged
        .filter(|table| read.contains(table.name.as_str()) && (!landing || table.landed))
        .map(|table| {
            let rows =
                json!({ "rowCount": table.file.rows, "size": table.file.bytes, "fileCount": 1 });
            let quality = Facets::default()
                .with("inputStatistics", rows)
                .with("dataQualityMetrics", metrics(table));
            dataset(&run.warehouse, &staged_name(&table.name), schema(table), quality)
        })
        .collect()
}

/// What a stage wrote; `versions` are the tables' where it published them.
pub(super) fn outputs(run: &Run, done: &Done, versions: &BTreeMap<String, u64>) -> Vec<Dataset> {
    let landing = done.stage == "land";
    done.tables
        .iter()
        .map(|table| {
            let name = match (landing, table.landed) {
                (true, true) => format!("tables/{}", table.name),
                (true, false) => format!("exports/{}", table.name),
                (false, _) => staged_name(&table.name),
            };
            let mut facets = schema(table);
            let lineage = match (landing, table.landed) {
                (true, true) => unchanged(table),
                (true, false) => ColumnLineage::default(),
                (false, _) => table.lineage.clone(),
            };
            if !lineage.columns.is_empty() {
                facets = facets.with("columnLineage", columns(run, &lineage));
            }
            if let Some(version) = versions.get(&table.name).filter(|_| landing && table.landed) {
                facets = facets.with("version", json!({ "datasetVersion": version.to_string() }));
            }
            let rows =
                json!({ "rowCount": table.file.rows, "size": table.file.bytes, "fileCount": 1 });
            dataset(&run.warehouse, &name, facets, Facets::default().with("outputStatistics", rows))
        })
        .collect()
}

fn staged_name(table: &str) -> String {
    format!("staging/{table}")
}

fn dataset(store: &Store, path: &str, facets: Facets, counts: Facets) -> Dataset {
    let (namespace, name) = place(store, path);
    Dataset { namespace, name, facets, counts }
}

/// A path of a store, as OpenLineage names datasets: the store's address, and the path in it.
fn place(store: &Store, path: &str) -> (String, String) {
    let url = store.url();
    let whole = format!("{}{path}", url.path());
    match url.host_str() {
        Some(host) => {
            (format!("{}://{host}", url.scheme()), whole.trim_start_matches('/').to_owned())
        }
        None => (url.scheme().to_owned(), whole),
    }
}

fn source(run: &Run, name: &str, done: Option<&Done>) -> Dataset {
    let path = run.loaded.pipeline.sources.get(name).map_or("", |source| source.path.as_str());
    let mut facets = Facets::default();
    if let Some(contract) = run.contracts.get(name) {
        facets = facets.with("schema", json!({ "fields": fields(&contract.arrow_schema()) }));
    }
    let files = run.identity.inputs.iter().filter(|input| input.source == name);
    let (count, size) = files.fold((0, 0), |(count, size), file| (count + 1, size + file.size));
    let mut statistics = json!({ "fileCount": count, "size": size });
    let mut counts = Facets::default();
    if let Some(report) = done.map(|done| &done.report["sources"][name]) {
        let rows = &report["rows_read"];
        statistics["rowCount"] = rows.clone();
        let quarantined = report["rows_quarantined"].as_u64().unwrap_or(0);
        let assertion = json!({
            "assertion": "contract",
            "name": "rows keep their contract",
            "success": quarantined == 0,
            "severity": "warn",
            "expected": "0",
            "actual": quarantined.to_string(),
        });
        counts = counts
            .with(
                "dataQualityMetrics",
                json!({
                    "rowCount": rows, "bytes": size, "fileCount": count, "columnMetrics": {},
                }),
            )
            .with("dataQualityAssertions", json!({ "assertions": [assertion] }));
    }
    dataset(&run.inputs, path, facets, counts.with("inputStatistics", statistics))
}

fn schema(table: &StagedTable) -> Facets {
    Facets::default().with("schema", json!({ "fields": fields(&table.schema) }))
}

fn fields(schema: &arrow::datatypes::Schema) -> Vec<Value> {
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(index, field)| {
            json!({
                "name": field.name(),
                "type": field.data_type().to_string(),
                "ordinal_position": index + 1,
            })
        })
        .collect()
}

fn metrics(table: &StagedTable) -> Value {
    let columns: serde_json::Map<String, Value> = table
        .schema
        .fields()
        .iter()
        .map(|field| {
            let nulls = table.file.nulls.get(field.name()).copied().unwrap_or(0);
            (field.name().clone(), json!({ "nullCount": nulls, "count": table.file.rows - nulls }))
        })
        .collect();
    json!({ "rowCount": table.file.rows, "bytes": table.file.bytes, "columnMetrics": columns })
}

/// A table that is landed as it was handed over.
fn unchanged(table: &StagedTable) -> ColumnLineage {
    let column = |field: &arrow::datatypes::FieldRef| {
        let used = UsedColumn {
            table: table.name.clone(),
            column: field.name().clone(),
            used: crate::engine::Use::Identity,
        };
        (field.name().clone(), BTreeSet::from([used]))
    };
    let columns = table.schema.fields().iter().map(column).collect();
    ColumnLineage { columns, rows: BTreeSet::new() }
}

fn columns(run: &Run, lineage: &ColumnLineage) -> Value {
    let field = |used: &UsedColumn| {
        let (namespace, name) = place(&run.warehouse, &staged_name(&used.table));
        let kind = if used.used.is_direct() { "DIRECT" } else { "INDIRECT" };
        json!({
            "namespace": namespace,
            "name": name,
            "field": used.column,
            "transformations": [{ "type": kind, "subtype": used.used }],
        })
    };
    let fields: serde_json::Map<String, Value> = lineage
        .columns
        .iter()
        .map(|(name, used)| {
            let inputs: Vec<Value> = used.iter().map(field).collect();
            (name.clone(), json!({ "inputFields": inputs }))
        })
        .collect();
    json!({ "fields": fields, "dataset": lineage.rows.iter().map(field).collect::<Vec<_>>() })
}
