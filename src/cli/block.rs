//! `simurgh block`: what each blocking rule gives, and which rules the data would suggest.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::out::say;
use super::{Done, Global, PipelineFile, truth};
use crate::engine::{Options, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline::{Look, candidates};
use crate::resolve::{
    self, Blocking, BlockingCandidate, Inspector, ProposeOptions, Proposed, Resolve,
};

/// Blocks of each rule that are shown.
const SHOWN: usize = 5;

/// Pairs a record that proposed rules may cost, unless told.
const PAIRS_A_RECORD: u64 = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// Looks at records of this kind only
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The logical date; else the newest that is published
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = super::run::date)]
    date: Option<Date>,
    /// Known entities, to count the matches that each rule finds: CSV with the columns source, record_id, customer
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Proposes rules from the data, without labels
    #[arg(long)]
    propose: bool,
    /// Pairs that the proposed rules may give in all; else 20 a record
    #[arg(long, value_name = "N", requires = "propose")]
    max_pairs: Option<u64>,
    /// Shows the keys of the largest blocks, which are values of the data
    #[arg(long)]
    show_values: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let known = arguments.truth.as_deref().map(truth::read).transpose()?;
    run_blocking(async {
        let look = Look::open(&arguments.file.look(global, arguments.date, false)?).await?;
        if !global.json {
            say!("{}: {}", look.logical_date, look.origin());
        }
        let mut kinds = serde_json::Map::new();
        let mut named = 0;
        for (kind, settings) in look.kinds(arguments.kind.as_deref())? {
            let input = look.input(kind, settings).await?;
            let options = Options::default();
            let threads = options.threads;
            let inspector = Inspector::new(&input, resolve::Options { threads })?;
            let matches = known.as_ref().map(|known| {
                let (matches, own) = truth::matches(known, &inspector);
                named += own;
                matches
            });
            let found = inspector.blocking(matches.as_deref(), SHOWN, arguments.show_values)?;
            let all = matches.as_ref().map(|own| own.len() as u64);
            let proposed = match arguments.propose {
                true => Some(propose(&look, kind, settings, &inspector, arguments).await?),
                false => None,
            };
            if !global.json {
                print(kind, inspector.rows(), &found, all);
                if let Some((budget, rules)) = &proposed {
                    print_proposed(rules, *budget);
                }
            }
            kinds.insert(
                kind.to_owned(),
                json!({
                    "records": inspector.rows(),
                    "pairs": found.pairs,
                    "no_key": found.no_key,
                    "known_matches": all,
                    "matches": found.matches,
                    "recall": recall(&found, all),
                    "rules": found.rules,
                    "proposed": proposed.as_ref().map(|(_, rules)| as_json(rules)),
                }),
            );
        }
        if let (Some(path), 0) = (&arguments.truth, named) {
            return Err(truth::names_none(path, 0).help(
                "its `source` and `record_id` must be those of the table records, of the kind asked for",
            ));
        }
        Ok(Done::with(json!({
            "outcome": "looked",
            "logical_date": look.logical_date,
            "published": look.published.is_some(),
            "kinds": kinds,
        })))
    })
}

async fn propose(
    look: &Look,
    kind: &str,
    settings: &Resolve,
    inspector: &Inspector<'_>,
    arguments: &Arguments,
) -> Result<(u64, Vec<Proposed>)> {
    let keys = candidates(settings);
    let sql: Vec<String> = keys.iter().map(|key| key.sql.clone()).collect();
    let columns = look.columns(kind, &sql).await?;
    let candidates: Vec<BlockingCandidate> = keys
        .into_iter()
        .zip(columns)
        .map(|(key, array)| BlockingCandidate {
            name: key.sql.clone(),
            keys: vec![(key.sql, array)],
            columns: vec![key.column],
        })
        .collect();
    let rows = inspector.rows();
    let budget = arguments.max_pairs.unwrap_or(PAIRS_A_RECORD * rows as u64);
    let threads = Options::default().threads;
    let options =
        ProposeOptions { threads, seed: settings.training.seed, ..ProposeOptions::default() };
    Ok((budget, resolve::propose(&candidates, rows, budget, &options)?))
}

fn recall(found: &Blocking, all: Option<u64>) -> Option<f64> {
    match (found.matches, all) {
        (Some(found), Some(all)) if all > 0 => Some(found as f64 / all as f64),
        _ => None,
    }
}

fn print(kind: &str, records: usize, found: &Blocking, all: Option<u64>) {
    let whole = (records as u64) * (records as u64).saturating_sub(1) / 2;
    say!(
        "\n{kind}: {records} records, {} pairs to compare of {whole}; {} records have no key at all",
        found.pairs,
        found.no_key
    );
    let labels = if all.is_some() { "   matches  it alone" } else { "" };
    say!("  {:<28} {:>12} {:>12} {:>12}{labels}", "rule", "pairs", "new", "it alone");
    for own in &found.rules {
        let labels = match (own.matches, own.only_matches) {
            (Some(all), Some(only)) => format!(" {all:>9} {only:>9}"),
            _ => String::new(),
        };
        say!(
            "  {:<28} {:>12} {:>12} {:>12}{labels}",
            own.report.rule,
            own.report.pairs,
            own.new_pairs,
            own.only_pairs
        );
    }
    if let (Some(matches), Some(all)) = (found.matches, all) {
        let share = recall(found, Some(all)).unwrap_or(1.0);
        say!("  of {all} known matches the rules bring {matches} together: recall {share:.4}");
    }
    say!("\n  largest blocks");
    for own in &found.rules {
        for (place, block) in own.largest.iter().enumerate() {
            let divided = match (block.parts, block.in_windows) {
                (1, 0) => "compared whole".to_owned(),
                (1, windows) => format!("past max_block: {windows} records in windows"),
                (parts, 0) => format!("refined into {parts} parts"),
                (parts, windows) => {
                    format!("refined into {parts} parts; {windows} records still in windows")
                }
            };
            let values = match &block.values {
                Some(values) => format!("  [{}]", values.join(", ")),
                None => String::new(),
            };
            say!(
                "  {:<28} #{:<3} {:>8} records  {divided}{values}",
                own.report.rule,
                place + 1,
                block.records
            );
        }
    }
}

fn print_proposed(rules: &[Proposed], budget: u64) {
    let pairs: u64 = rules.iter().map(|own| own.pairs).sum();
    say!("\n  proposed within {budget} pairs ({pairs} used), to be pasted under `blocking`:");
    for own in rules {
        say!("    # {}: {} pairs", own.reason, own.pairs);
        say!("    - {}", yaml(own));
    }
    if rules.is_empty() {
        say!("    none: no key brings likely matches together within the budget");
    }
}

/// A rule as a pipeline file has it; JSON strings are YAML too.
fn yaml(own: &Proposed) -> String {
    let list = |keys: &[String]| {
        let quoted: Vec<String> = keys.iter().map(|key| json!(key).to_string()).collect();
        format!("[{}]", quoted.join(", "))
    };
    let refine = match own.rule.refine.is_empty() {
        true => String::new(),
        false => format!(", refine: {}", list(&own.rule.refine)),
    };
    format!("{{name: {}, keys: {}{refine}}}", json!(own.rule.name), list(&own.rule.keys))
}

fn as_json(rules: &[Proposed]) -> Value {
    let one = |own: &Proposed| {
        json!({
            "name": own.rule.name,
            "keys": own.rule.keys,
            "refine": own.rule.refine,
            "max_block": own.rule.max_block,
            "pairs": own.pairs,
            "new_pairs": own.new_pairs,
            "matches": own.matches,
            "new_matches": own.new_matches,
            "reason": own.reason,
        })
    };
    rules.iter().map(one).collect()
}

impl PipelineFile {
    /// What is to be looked at.
    pub(super) fn look(
        &self,
        global: &Global,
        date: Option<Date>,
        published: bool,
    ) -> Result<crate::pipeline::LookRequest, Error> {
        Ok(crate::pipeline::LookRequest {
            pipeline: self.path()?,
            sets: global.sets.clone(),
            warehouse: global.warehouse.clone(),
            date,
            published,
        })
    }
}
