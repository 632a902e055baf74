//! `simurgh evaluate`: the published entities against known ones, or against pairs that a person
//! has judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::errors::Errors;
use super::out::say;
use super::sample::{share, weight};
use super::waterfall::bar;
use super::{Done, Global, PipelineFile, truth};
use crate::engine::{Options, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline::Look;
use crate::pipeline::judged::Judged;
use crate::resolve::{
    self, CurvePoint, Estimate, Inspector, Resolve, Score, WeightCounts, curve, evaluate,
    precision, recall, threshold,
};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("against").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// The known entities: CSV with the columns source, record_id, customer
    #[arg(long, value_name = "FILE", group = "against")]
    truth: Option<PathBuf>,
    /// Judged pairs: a file that `simurgh sample` wrote, its column verdict filled in with match or different
    #[arg(long, value_name = "FILE", group = "against")]
    sample: Option<PathBuf>,
    /// Looks at records of this kind only
    #[arg(long, value_name = "KIND", requires = "truth")]
    kind: Option<String>,
    /// The logical date; else the newest that is published
    #[arg(long, value_name = "YYYY-MM-DD", requires = "truth", value_parser = super::run::date)]
    date: Option<Date>,
    /// Writes precision and recall over thresholds to a CSV file
    #[arg(long, value_name = "FILE", requires = "truth")]
    curve: Option<PathBuf>,
    /// Shows so many pairs of each kind of error, with what their scores are made of
    #[arg(long, value_name = "N", requires = "truth", default_value_t = 0)]
    errors: usize,
    /// Shows the records' ids and values beside the errors
    #[arg(long, requires = "errors")]
    show_values: bool,
    /// The precision for which a threshold is recommended
    #[arg(long, value_name = "SHARE", default_value_t = 0.99, value_parser = share)]
    precision: f64,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    match (&arguments.truth, &arguments.sample) {
        (Some(truth), _) => run_blocking(against_truth(arguments, truth, global)),
        (None, Some(sample)) => against_sample(arguments, sample, global),
        (None, None) => Err(Error::usage("nothing to judge by was named")
            .help("give known entities, --truth FILE, or judged pairs, --sample FILE")),
    }
}

async fn against_truth(arguments: &Arguments, path: &Path, global: &Global) -> Result<Done> {
    let look = Look::open(&arguments.file.look(global, arguments.date, true)?).await?;
    let kinds = look.kinds(arguments.kind.as_deref())?;
    let truth = truth::read(path)?;
    let members = look.members().await?;
    let models = look.models().await?;
    let mut json = serde_json::Map::new();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let (mut records, mut reports) = (0, Vec::new());
    for (kind, settings) in kinds {
        let input = look.input(kind, settings).await?;
        let threads = Options::default().threads;
        let inspector = Inspector::new(&input, resolve::Options { threads })?;
        records += inspector.rows();
        // Records of other days, which are in the truth and not among these, say nothing.
        let judged: BTreeMap<u32, (&str, &str)> = (0..inspector.rows() as u32)
            .filter_map(|row| {
                let key = inspector.key(row);
                let (golden, known) = (members.get(&key)?, truth.get(&key)?);
                Some((row, (golden.as_str(), known.as_str())))
            })
            .collect();
        pairs.extend(judged.values());
        let model = match models.get(kind) {
            Some(model) => model.clone(),
            None => inspector.train()?,
        };
        let scoring = inspector.scoring(&model)?;
        let merge = weight(settings.thresholds.merge);
        let parts = scoring.each(|counts: &mut WeightCounts, l, r, weight| {
            if let (Some(l), Some(r)) = (judged.get(&l), judged.get(&r)) {
                counts.count(weight, l.1 == r.1);
            }
        })?;
        let mut counts = WeightCounts::default();
        parts.iter().for_each(|part| counts.add(part));
        let (matches, _) = truth::matches(&truth, &inspector);
        let points = curve(&counts, matches.len() as u64);
        let errors = Errors::find(&judged, &scoring, merge);
        let unlinkable = scoring.unlinkable(&inspector, settings.thresholds.merge)?;
        json.insert(
            kind.to_owned(),
            json!({
                "records": inspector.rows(),
                "judged": judged.len(),
                "known_matches": matches.len(),
                "model_hash": model.hash()?,
                "curve": points,
                "target": arguments.precision,
                "threshold": recommended(&points, arguments.precision).map(|own| own.match_probability),
                "errors": errors.counts(),
                "unlinkable": {
                    "no_key": unlinkable.no_key.len(),
                    "too_little_known": unlinkable.too_little_known.len(),
                },
            }),
        );
        reports.push((kind, points.clone()));
        if !global.json {
            say!(
                "{}: {kind}, {} records, {} judged",
                look.logical_date,
                inspector.rows(),
                judged.len()
            );
            print_curve(&points, settings);
            print_recommended(&points, arguments.precision);
            errors.print(&input, &inspector, &scoring, (arguments.errors, arguments.show_values));
            say!(
                "\n  {:>8} records can match nothing: no blocking rule has a key for them",
                unlinkable.no_key.len()
            );
            say!(
                "  {:>8} records know too little: a record that agreed on everything would not be merged\n",
                unlinkable.too_little_known.len()
            );
        }
    }
    if pairs.is_empty() {
        return Err(Error::data(format!(
            "{}: names none of the {records} published records",
            path.display()
        ))
        .help("its `source` and `record_id` must be those of the table entity_members"));
    }
    if let Some(file) = &arguments.curve {
        write_curve(file, &reports)?;
    }
    let unjudged = records - pairs.len();
    let found = evaluate(pairs.iter().copied());
    if !global.json {
        say!(
            "{}: {} records judged, {unjudged} that the truth does not name; {} entities found, {} true",
            look.logical_date,
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
        "logical_date": look.logical_date,
        "records": found.records,
        "unjudged": unjudged,
        "found": found.found,
        "entities": found.entities,
        "pairwise": score(found.pairwise),
        "clusters": score(found.clusters),
        "b_cubed": score(found.b_cubed),
        "kinds": json,
    })))
}

/// Precision and recall of pairs over thresholds, with the thresholds in force marked.
fn print_curve(points: &[CurvePoint], settings: &Resolve) {
    if points.is_empty() {
        say!("  no two judged records were compared");
        return;
    }
    let in_force = weight(settings.thresholds.merge);
    say!("  pairs merged from a threshold on, each by itself; > is the threshold in force");
    say!(
        "    {:>7} {:>12} {:>9} {:>9} {:>7} {:>7}  {:<20} recall",
        "weight",
        "probability",
        "pairs",
        "precision",
        "recall",
        "F1",
        "precision"
    );
    for (place, own) in points.iter().enumerate() {
        let next = points.get(place + 1).map_or(f64::INFINITY, |next| next.match_weight);
        let mark = if own.match_weight <= in_force && in_force < next { '>' } else { ' ' };
        let score = own.score;
        say!(
            "  {mark} {:>7.0} {:>12.6} {:>9} {:>9.4} {:>7.4} {:>7.4}  {:<20} {}",
            own.match_weight,
            own.match_probability,
            own.pairs,
            score.precision,
            score.recall,
            score.f1,
            bar(score.precision, 1.0, 20),
            bar(score.recall, 1.0, 20)
        );
    }
}

/// The loosest threshold from which on pairs, each by itself, are as precise as is asked for.
fn recommended(points: &[CurvePoint], target: f64) -> Option<&CurvePoint> {
    // From the strictest down, while the precision holds.
    points.iter().rev().take_while(|own| own.score.precision >= target).last()
}

fn print_recommended(points: &[CurvePoint], target: f64) {
    match recommended(points, target) {
        Some(own) => say!(
            "  for a precision of {target} by these labels: thresholds.merge {:.6} (weight {:.0}), recall {:.4}",
            own.match_probability,
            own.match_weight,
            own.score.recall
        ),
        None => say!("  no threshold gives a precision of {target} by these labels"),
    }
}

fn write_curve(path: &Path, kinds: &[(&str, Vec<CurvePoint>)]) -> Result<()> {
    let unwritable = || {
        Error::data(format!("{}: cannot be written", path.display())).help("choose another --curve")
    };
    let mut writer = csv::Writer::from_path(path).map_err(|_| unwritable())?;
    let header =
        ["kind", "match_weight", "match_probability", "pairs", "precision", "recall", "f1"];
    writer.write_record(header).map_err(|_| unwritable())?;
    for (kind, points) in kinds {
        for own in points {
            let numbers = [
                own.match_weight,
                own.match_probability,
                own.pairs as f64,
                own.score.precision,
                own.score.recall,
                own.score.f1,
            ];
            let row = std::iter::once((*kind).to_owned()).chain(numbers.map(|n| n.to_string()));
            writer.write_record(row).map_err(|_| unwritable())?;
        }
    }
    writer.flush().map_err(|_| unwritable())
}

fn against_sample(arguments: &Arguments, path: &Path, global: &Global) -> Result<Done> {
    // The pipeline file is not read, but a wrong one is an error all the same.
    arguments.file.load(global)?;
    let strata = Judged::read(path)?.strata;
    let judged: u64 = strata.iter().map(|own| own.judged).sum();
    let probability = |weight: f64| 1.0 / (1.0 + (-weight).exp2());
    let (sure, likely) = threshold(&strata, arguments.precision);
    if !global.json {
        say!(
            "{judged} pairs judged; of all compared pairs, from a threshold on, with intervals of 95%"
        );
        say!(
            "  {:>8} {:>12} {:>10} {:>7} {:>8}  {:<26} recall of compared pairs",
            "weight",
            "probability",
            "pairs",
            "judged",
            "matches",
            "precision"
        );
        let shown = |own: Option<Estimate>| match own {
            Some(own) => format!("{:.4} [{:.4}, {:.4}]", own.value, own.low, own.high),
            None => "-".to_owned(),
        };
        for own in strata.iter().rev() {
            say!(
                "  {:>8.2} {:>12.6} {:>10} {:>7} {:>8}  {:<26} {}",
                own.from,
                probability(own.from),
                own.pairs,
                own.judged,
                own.matches,
                shown(precision(&strata, own.from)),
                shown(recall(&strata, own.from))
            );
        }
        let target = arguments.precision;
        match (sure, likely) {
            (Some(sure), _) => say!(
                "\nfor a precision of {target}: thresholds.merge {:.6} (weight {sure:.2}), surely so",
                probability(sure)
            ),
            (None, Some(likely)) => say!(
                "\nfor a precision of {target}: thresholds.merge {:.6} (weight {likely:.2}) by the estimate; judge more pairs to be sure",
                probability(likely)
            ),
            (None, None) => say!("\nno threshold of the sample gives a precision of {target}"),
        }
    }
    let rows: Vec<Value> = strata
        .iter()
        .map(|own| {
            json!({
                "from": own.from.is_finite().then_some(own.from),
                "probability": probability(own.from),
                "pairs": own.pairs,
                "judged": own.judged,
                "matches": own.matches,
                "precision": precision(&strata, own.from),
                "recall": recall(&strata, own.from),
            })
        })
        .collect();
    Ok(Done::with(json!({
        "outcome": "evaluated",
        "judged": judged,
        "strata": rows,
        "target": arguments.precision,
        "threshold": sure.map(probability),
        "threshold_estimated": likely.map(probability),
    })))
}
