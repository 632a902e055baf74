//! `simurgh sample`: pairs of the last published run, drawn for a person to judge.

use std::path::PathBuf;

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use serde_json::json;

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::{Options, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline::Look;
use crate::resolve::{
    self, Draw, Input, Inspector, Scoring, allocate, size_for, strata, stratum_of,
};

/// Pairs that are held of each stratum while the size is not known.
const HELD: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Values {
    /// The shape of each value: letters as a, digits as 9
    Masked,
    /// The values themselves
    Full,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how_many").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// The kind; needed where the pipeline resolves several
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The logical date; else the newest that is published
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = super::run::date)]
    date: Option<Date>,
    /// Draws so many pairs
    #[arg(long, value_name = "N", group = "how_many", value_parser = clap::value_parser!(u64).range(1..))]
    size: Option<u64>,
    /// Draws as many pairs as it takes to know the precision to within so much on either side
    #[arg(long, value_name = "WIDTH", group = "how_many", value_parser = share)]
    interval: Option<f64>,
    /// The match probability at which the precision is asked for; else thresholds.merge
    #[arg(long, value_name = "PROBABILITY", value_parser = share)]
    precision_at: Option<f64>,
    /// The seed of the draw
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// How the records' values are written
    #[arg(long, value_enum, default_value_t = Values::Masked)]
    values: Values,
    /// Where the sample goes: a CSV file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A share, between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("not a number between 0 and 1, as 0.02"),
    }
}

/// The match weight of a probability.
pub(super) fn weight(probability: f64) -> f64 {
    (probability / (1.0 - probability)).log2()
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let look = Look::open(&arguments.file.look(global, arguments.date, true)?).await?;
        let kinds = look.kinds(arguments.kind.as_deref())?;
        let [(kind, settings)] = kinds[..] else {
            let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
            return Err(Error::usage(format!("the pipeline resolves {} kinds", kinds.len()))
                .help(format!("name one, such as --kind {}: {}", names[0], names.join(", "))));
        };
        let input = look.input(kind, settings).await?;
        let threads = Options::default().threads;
        let inspector = Inspector::new(&input, resolve::Options { threads })?;
        let model = match look.models().await?.remove(kind) {
            Some(model) => model,
            None => inspector.train()?,
        };
        let scoring = inspector.scoring(&model)?;
        let at = weight(arguments.precision_at.unwrap_or(settings.thresholds.merge));
        let from =
            strata(&[at, weight(settings.thresholds.merge), weight(settings.thresholds.review)]);
        let most = arguments.size.map_or(HELD, |size| size as usize);
        let (draw, expected) = draw(&scoring, &from, most, arguments.seed)?;
        let pairs = draw.counts();
        let size = match (arguments.size, arguments.interval) {
            (None, Some(interval)) => size_for(&from, &pairs, &expected, at, interval),
            (size, _) => size.unwrap_or(0),
        };
        let sizes = allocate(&pairs, &expected, size);
        let drawn = draw.pairs(&sizes);
        let count: usize = drawn.iter().map(Vec::len).sum();
        if count == 0 {
            return Err(Error::data(format!("{kind}: blocking gives no pair to judge"))
                .help("simurgh block shows what each rule gives"));
        }
        let hash = model.hash()?;
        write(arguments, &input, &inspector, &scoring, (&from, &pairs), (&drawn, &hash))?;
        if !global.json {
            say!("{}: {}, kind {kind}", look.logical_date, look.origin());
            say!(
                "  {:>12} {:>14} {:>12} {:>10}",
                "weight from",
                "probability",
                "pairs",
                "to judge"
            );
            for (place, own) in from.iter().enumerate().rev() {
                let probability = 1.0 / (1.0 + (-own).exp2());
                let drawn = drawn[place].len();
                say!("  {own:>12.2} {probability:>14.6} {:>12} {drawn:>10}", pairs[place]);
            }
            if let Some(interval) = arguments.interval {
                say!(
                    "  {size} pairs are needed to know the precision from weight {at:.2} on to within {interval}"
                );
            }
            say!("  written: {} ({count} pairs)", arguments.out.display());
            say!(
                "  fill in the column `verdict` (match or different), then: simurgh evaluate PIPELINE --sample FILE"
            );
            say!(
                "  or let it choose the threshold of runs: thresholds: {{precision: 0.99, sample: FILE}}"
            );
        }
        Ok(Done::with(json!({
            "outcome": "sampled",
            "logical_date": look.logical_date,
            "kind": kind,
            "path": arguments.out.display().to_string(),
            "size": size,
            "pairs": count,
            "compared": pairs.iter().sum::<u64>(),
            "model_hash": hash,
        })))
    })
}

/// Draws from every compared pair; gives also the share of matches that the model expects of each
/// stratum.
fn draw(scoring: &Scoring<'_>, from: &[f64], most: usize, seed: u64) -> Result<(Draw, Vec<f64>)> {
    /// One, in fixed point: sums do not depend on their order.
    const ONE: f64 = (1u64 << 20) as f64;
    let parts = scoring.each(|(draw, sums): &mut (Draw, Vec<u64>), l, r, weight| {
        draw.take(from, most, seed, (l, r, weight));
        sums.resize(from.len(), 0);
        sums[stratum_of(from, weight)] += (ONE / (1.0 + (-weight).exp2())) as u64;
    })?;
    let mut sums = vec![0u64; from.len()];
    let mut draws = Vec::new();
    for (draw, own) in parts {
        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        draws.push(draw);
    }
    let draw = Draw::join(draws, from.len(), most);
    let expected = sums.iter().zip(draw.counts());
    let expected = expected.map(|(sum, count)| *sum as f64 / ONE / count.max(1) as f64).collect();
    Ok((draw, expected))
}

/// The shape of a value: letters as `a`, digits as `9`, all else as it is.
pub(super) fn masked(value: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_alphabetic() => 'a',
        c => c,
    };
    value.chars().map(mask).collect()
}

/// A value as text; nothing for null.
pub(super) fn value(array: &ArrayRef, row: u32) -> String {
    match array.is_null(row as usize) {
        true => String::new(),
        false => array_value_to_string(array, row as usize).unwrap_or_default(),
    }
}

fn write(
    arguments: &Arguments,
    input: &Input<'_>,
    inspector: &Inspector<'_>,
    scoring: &Scoring<'_>,
    (from, pairs): (&[f64], &[u64]),
    (drawn, hash): (&[Vec<(u32, u32)>], &str),
) -> Result<()> {
    let unwritable = || {
        Error::data(format!("{}: cannot be written", arguments.out.display()))
            .help("choose another --out")
    };
    let mut writer = csv::Writer::from_path(&arguments.out).map_err(|_| unwritable())?;
    let mut columns: Vec<&String> = Vec::new();
    for column in input.settings.comparisons.iter().flat_map(|own| &own.columns) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let fixed = [
        "stratum_from",
        "stratum_pairs",
        "source_l",
        "record_id_l",
        "source_r",
        "record_id_r",
        "match_weight",
        "match_probability",
        "model_hash",
    ];
    let mut header: Vec<String> = fixed.map(str::to_owned).to_vec();
    header.extend(input.settings.comparisons.iter().map(|own| format!("level: {}", own.name)));
    header.extend(columns.iter().flat_map(|own| [format!("{own} (l)"), format!("{own} (r)")]));
    header.push("verdict".to_owned());
    writer.write_record(&header).map_err(|_| unwritable())?;
    for (place, own) in drawn.iter().enumerate().rev() {
        for (l, r) in own {
            let looked = scoring.waterfall(*l, *r);
            let (a, b) = (inspector.key(*l), inspector.key(*r));
            let mut row = vec![
                from[place].to_string(),
                pairs[place].to_string(),
                a.source,
                a.record_id,
                b.source,
                b.record_id,
                format!("{:.4}", looked.match_weight),
                format!("{:.6}", looked.match_probability),
                hash.to_owned(),
            ];
            row.extend(looked.parts.into_iter().map(|own| own.level.unwrap_or_default()));
            for column in &columns {
                let array = input.expressions.get(*column).ok_or_else(|| {
                    Error::bug(format!("`{column}` was not evaluated over the records"))
                })?;
                for side in [*l, *r] {
                    let text = value(array, side);
                    row.push(if arguments.values == Values::Full { text } else { masked(&text) });
                }
            }
            row.push(String::new());
            writer.write_record(&row).map_err(|_| unwritable())?;
        }
    }
    writer.flush().map_err(|_| unwritable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_keeps_its_shape_alone() {
        assert_eq!(masked("Ann O'Hara 12b"), "aaa a'aaaa 99a");
        assert_eq!(masked("محمد ۱۲"), "aaaa 99");
    }
}
