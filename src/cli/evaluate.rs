//! `simurgh evaluate`: the published entities against a file of known ones.

use std::collections::HashMap;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::{Engine, Options, Store, run_blocking};
use crate::error::{Error, Result};
use crate::land::{self, History};
use crate::resolve::{Score, evaluate};
use crate::tables::ENTITY_MEMBERS;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// The known entities: CSV with the columns source, record_id, customer
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let loaded = arguments.file.load(global)?;
    let truth = read_truth(&arguments.truth)?;
    let (date, members) = run_blocking(members(global, &loaded.pipeline.name))?;
    // Records of other days, which are in the truth and not among those published, say nothing.
    let judged: Vec<(&str, &str)> = members
        .iter()
        .filter_map(|(record, golden)| {
            truth.get(record).map(|known| (golden.as_str(), known.as_str()))
        })
        .collect();
    if judged.is_empty() {
        return Err(Error::data(format!(
            "{}: names none of the {} published records",
            arguments.truth.display(),
            members.len()
        ))
        .help("its `source` and `record_id` must be those of the table entity_members"));
    }
    let unjudged = members.len() - judged.len();
    let found = evaluate(judged.iter().copied());
    if !global.json {
        say!(
            "{date}: {} records judged, {unjudged} that the truth does not name; {} entities found, {} true",
            found.records,
            found.found,
            found.entities
        );
        say!("{:<12} {:>9} {:>9} {:>9}", "", "precision", "recall", "F1");
        for (name, score) in
            [("pairwise", found.pairwise), ("clusters", found.clusters), ("B-cubed", found.b_cubed)]
        {
            say!("{name:<12} {:>9.4} {:>9.4} {:>9.4}", score.precision, score.recall, score.f1);
        }
    }
    let score = |score: Score| json!({ "precision": score.precision, "recall": score.recall, "f1": score.f1 });
    Ok(Done::with(json!({
        "outcome": "evaluated",
        "logical_date": date,
        "records": found.records,
        "unjudged": unjudged,
        "found": found.found,
        "entities": found.entities,
        "pairwise": score(found.pairwise),
        "clusters": score(found.clusters),
        "b_cubed": score(found.b_cubed),
    })))
}

type Record = (String, String);

fn read_truth(path: &std::path::Path) -> Result<HashMap<Record, String>> {
    let unreadable = |source: csv::Error| {
        let place = source.position().map(|at| format!(", line {}", at.line())).unwrap_or_default();
        Error::data(format!("{}{place}: cannot be read as CSV", path.display()))
            .help("it must be a CSV file with the columns source, record_id, customer")
    };
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    let headers = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name).ok_or_else(
            || {
                Error::data(format!("{}: column `{name}` is missing", path.display()))
                    .help("the columns are source, record_id, customer")
            },
        )
    };
    let (source, record_id, customer) =
        (column("source")?, column("record_id")?, column("customer")?);
    let mut truth = HashMap::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let field = |index: usize| row.get(index).unwrap_or_default().to_owned();
        truth.insert((field(source), field(record_id)), field(customer));
    }
    Ok(truth)
}

/// The newest date that is published, and its records with their golden ids.
async fn members(global: &Global, pipeline: &str) -> Result<(String, Vec<(Record, String)>)> {
    let warehouse = Store::open(&global.warehouse)?;
    land::refuse_other_formats(&warehouse).await?;
    let history = History::read(&warehouse).await?;
    let current = history.current(pipeline);
    let date = current.map(|entry| entry.logical_date.clone()).unwrap_or_default();
    let version = current.and_then(|entry| entry.tables.get(ENTITY_MEMBERS)).ok_or_else(|| {
        Error::data(format!("{}: nothing is published yet", warehouse.url()))
            .help("run the pipeline first: simurgh run PIPELINE --date DATE")
    })?;
    let engine = Engine::new(&Options::default())?;
    let files = land::delta::files(&warehouse, ENTITY_MEMBERS, *version).await?;
    let mut members = Vec::new();
    for batch in engine.collect(engine.parquet(&warehouse, &files).await?, ENTITY_MEMBERS).await? {
        let text = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>())
                .ok_or_else(|| Error::data(format!("{ENTITY_MEMBERS}: no text column `{name}`")))
        };
        let (golden, source, record) = (text("golden_id")?, text("source")?, text("record_id")?);
        for row in 0..golden.len() {
            let key = (source.value(row).to_owned(), record.value(row).to_owned());
            members.push((key, golden.value(row).to_owned()));
        }
    }
    Ok((date, members))
}
