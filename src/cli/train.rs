//! `simurgh train`: a model without a run, shown and written.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::out::say;
use super::waterfall::signed_bar;
use super::{Done, Global, PipelineFile, truth};
use crate::engine::{Options, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline::Look;
use crate::resolve::{self, Inspector, Model};

/// Dependent comparisons that are shown, and from how many bits on.
const DEPENDENT: (usize, f64) = (6, 0.05);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// Trains the model of this kind only
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The logical date; else the newest that is published
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = super::run::date)]
    date: Option<Date>,
    /// Counts m from labelled pairs: known entities (CSV: source, record_id, customer), or pairs that a person judged (a file that `simurgh sample` wrote)
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Where the model goes: a folder, for KIND.json in it, or a file that ends in .json
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let look = Look::open(&arguments.file.look(global, arguments.date, false)?).await?;
        let kinds = look.kinds(arguments.kind.as_deref())?;
        let file = arguments.out.extension().is_some_and(|ending| ending == "json");
        if file && kinds.len() > 1 {
            return Err(Error::usage(format!(
                "--out names one file, and the pipeline has {} kinds",
                kinds.len()
            ))
            .help("name a folder, or one kind: --kind KIND"));
        }
        if !global.json {
            say!("{}: {}", look.logical_date, look.origin());
        }
        let labels = arguments.labels.as_deref().map(truth::labels).transpose()?;
        let mut models = serde_json::Map::new();
        for (kind, settings) in kinds {
            let input = look.input(kind, settings).await?;
            let threads = Options::default().threads;
            let inspector = Inspector::new(&input, resolve::Options { threads })?;
            let model = match &labels {
                Some(labels) => inspector.train_from_labels(labels)?,
                None => inspector.train()?,
            };
            let path = match file {
                true => arguments.out.clone(),
                false => arguments.out.join(format!("{kind}.json")),
            };
            write(&path, &model)?;
            if !global.json {
                print(&model);
                say!("  written: {}", path.display());
            }
            models.insert(
                kind.to_owned(),
                json!({
                    "path": path.display().to_string(),
                    "model_hash": model.hash()?,
                    "records": model.training.records,
                    "pairs": model.training.pairs,
                    "labelled_pairs": model.training.labelled_pairs,
                    "converged": model.training.converged,
                    "iterations": model.training.iterations,
                    "prior_weight": model.prior_weight,
                }),
            );
        }
        Ok(Done::with(json!({
            "outcome": "trained",
            "logical_date": look.logical_date,
            "models": models,
        })))
    })
}

fn write(path: &Path, model: &Model) -> Result<()> {
    let unwritable = |error: std::io::Error| {
        Error::data(format!("{}: cannot be written", path.display()))
            .help("choose another --out")
            .because(error)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::write(path, model.to_json()? + "\n").map_err(unwritable)
}

/// A model as a table.
fn print(model: &Model) {
    let training = &model.training;
    say!(
        "\n{}: trained on {} records, {} pairs with {} patterns of levels, {} random pairs",
        model.kind,
        training.records,
        training.pairs,
        training.patterns,
        training.random_pairs
    );
    if training.labelled_pairs > 0 {
        say!("  m counted from {} labelled pairs of one entity", training.labelled_pairs);
    }
    match training.converged {
        true => say!("  converged after {} iterations", training.iterations),
        false => {
            let what = training.largest_move.as_ref().map_or_else(String::new, |own| {
                let place = match (&own.comparison, &own.level) {
                    (Some(comparison), Some(level)) => format!("{comparison}: {level}"),
                    _ => "its number of pairs".to_owned(),
                };
                format!(": `{place}` of class {} still moved by {:.2e}", own.class, own.by)
            });
            say!("  did NOT converge in {} iterations{what}", training.iterations);
            say!(
                "  help: more comparisons or records, or training.max_iterations and training.tolerance"
            );
        }
    }
    let classes = &model.classes;
    say!(
        "  compared pairs: {:.2}% one entity, {:.2}% household, {:.2}% namesake, {:.2}% coincidence",
        classes.same * 100.0,
        classes.household * 100.0,
        classes.namesake * 100.0,
        classes.coincidence * 100.0
    );
    let odds = (-model.prior_weight).exp2();
    say!("  prior weight {:.2}: one pair of {odds:.0} of all is one entity", model.prior_weight);
    let levels = model.comparisons.iter().flat_map(|own| &own.levels);
    let largest = levels.map(|level| level.weight.abs()).fold(1.0, f64::max);
    let levels = model.comparisons.iter().flat_map(|own| &own.levels);
    let wide = levels.map(|level| level.name.chars().count()).max().unwrap_or(0);
    say!("\n  {:<20} {:<wide$} {:>10} {:>10} {:>8}", "comparison", "level", "m", "u", "weight");
    for own in &model.comparisons {
        for (place, level) in own.levels.iter().enumerate() {
            let name = if place == 0 { own.name.as_str() } else { "" };
            let bar = signed_bar(level.weight, largest, 12);
            say!(
                "  {name:<20} {:<wide$} {:>10.6} {:>10.6} {:>8.2}  {bar}",
                level.name,
                level.m,
                level.u,
                level.weight
            );
        }
    }
    let mut dependent: Vec<_> =
        training.dependence.iter().filter(|own| own.bits >= DEPENDENT.1).collect();
    dependent.sort_by(|a, b| b.bits.total_cmp(&a.bits));
    if !dependent.is_empty() {
        say!("\n  comparisons that depend on each other within a class:");
    }
    for own in dependent.iter().take(DEPENDENT.0) {
        say!(
            "  {:<12} {} and {}: both at the strictest level {:.1}% of the time, {:.1}% if they were independent ({:.2} bits)",
            own.class,
            own.left,
            own.right,
            own.observed * 100.0,
            own.expected * 100.0,
            own.bits
        );
    }
}
