//! `simurgh review`: the doubtful pairs for a person to judge, and what the verdicts say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::explain::Values;
use super::out::say;
use super::steward::{StewardArguments, publish};
use super::waterfall::bar;
use super::{Done, Global, rollback};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::judged::{table, verdict};
use crate::pipeline::{self, Desk, Records, Steward};
use crate::resolve::{Calibration, Doubtful, NewDecision, RecordKey, calibration};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the doubtful pairs to a CSV file, those first whose verdict would tell most
    Export(Export),
    /// Reads the verdicts: each becomes a decision; and says how the model's probabilities fit them
    Import {
        /// A file that `simurgh review export` wrote, its column verdict filled in with match or different
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        steward: StewardArguments,
    },
}

#[derive(Debug, Args)]
struct Export {
    /// The file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// So many pairs at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    size: u64,
    /// The kind; needed where pairs of several are doubtful
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// How the records' values are written
    #[arg(long, value_enum, default_value_t = Values::Masked)]
    values: Values,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        match &arguments.command {
            Command::Export(own) => export(own, global).await,
            Command::Import { file, steward } => {
                let steward = steward.steward()?;
                import(file, &steward, global).await
            }
        }
    })
}

async fn export(arguments: &Export, global: &Global) -> Result<Done> {
    let desk = Desk::open(&global.warehouse).await?;
    let mut review = pipeline::review(&desk).await?;
    let kinds: Vec<String> = review.keys().cloned().collect();
    let kind = match (&arguments.kind, &kinds[..]) {
        (Some(kind), _) => kind.clone(),
        (None, [kind]) => kind.clone(),
        (None, []) => String::new(),
        (None, several) => {
            return Err(Error::usage(format!("pairs of {} kinds are doubtful", several.len()))
                .help(format!("name one, such as --kind {}: {}", several[0], several.join(", "))));
        }
    };
    let all = review.remove(&kind).unwrap_or_default();
    let doubtful = all.len();
    let shown: Vec<(Doubtful, f64)> =
        all.into_iter().take(usize::try_from(arguments.size).unwrap_or(usize::MAX)).collect();
    if !shown.is_empty() {
        write(&desk, &kind, &shown, arguments).await?;
    }
    let entry = &desk.published().entry;
    if !global.json {
        let mut whys: BTreeMap<&str, usize> = BTreeMap::new();
        shown.iter().for_each(|(own, _)| *whys.entry(&own.why).or_default() += 1);
        say!("{}: {doubtful} doubtful pairs, kind {kind}", entry.logical_date);
        whys.iter().for_each(|(why, count)| say!("  {count:>8} {why}"));
        match shown.is_empty() {
            true => say!("nothing is written"),
            false => {
                say!("  written: {} ({} pairs)", arguments.out.display(), shown.len());
                say!("  fill in the column `verdict` (match or different), then:");
                say!("  simurgh review import {}", arguments.out.display());
            }
        }
    }
    Ok(Done::with(json!({
        "outcome": "exported",
        "run_id": entry.run_id,
        "logical_date": entry.logical_date,
        "kind": kind,
        "doubtful": doubtful,
        "pairs": shown.len(),
        "path": (!shown.is_empty()).then(|| arguments.out.display().to_string()),
    })))
}

async fn write(
    desk: &Desk,
    kind: &str,
    shown: &[(Doubtful, f64)],
    arguments: &Export,
) -> Result<()> {
    let out = &arguments.out;
    let unwritable = || {
        Error::data(format!("{}: cannot be written", out.display())).help("choose another --out")
    };
    let pairs: Vec<(RecordKey, RecordKey)> =
        shown.iter().map(|(own, _)| (own.pair.l.clone(), own.pair.r.clone())).collect();
    let compared = Records::open(desk.published()).await?.pairs(kind, &pairs).await?;
    let mut header: Vec<String> = [
        "source_l",
        "record_id_l",
        "source_r",
        "record_id_r",
        "golden_id_l",
        "golden_id_r",
        "match_weight",
        "match_probability",
        "information",
        "doubt",
    ]
    .map(str::to_owned)
    .to_vec();
    header.extend(compared.comparisons.iter().map(|name| format!("level: {name}")));
    if arguments.values != Values::None {
        let sides = |sql: &String| [format!("{sql} (l)"), format!("{sql} (r)")];
        header.extend(compared.columns.iter().flat_map(sides));
    }
    header.extend(["verdict", "why"].map(str::to_owned));
    let mut writer = csv::Writer::from_path(out).map_err(|_| unwritable())?;
    writer.write_record(&header).map_err(|_| unwritable())?;
    for ((own, weight), compared) in shown.iter().zip(compared.rows) {
        let pair = &own.pair;
        let mut row = vec![
            pair.l.source.clone(),
            pair.l.record_id.clone(),
            pair.r.source.clone(),
            pair.r.record_id.clone(),
            pair.entities.0.clone(),
            pair.entities.1.clone(),
            format!("{weight:.4}"),
            format!("{:.6}", pair.probability),
            format!("{:.4}", own.information),
            own.why.clone(),
        ];
        row.extend(compared.levels.into_iter().map(|level| level.unwrap_or_default()));
        if arguments.values != Values::None {
            let both = |[l, r]: [Option<String>; 2]| {
                [l, r].map(|own| arguments.values.show(own.as_deref()))
            };
            row.extend(compared.values.into_iter().flat_map(both));
        }
        row.extend([String::new(), String::new()]);
        writer.write_record(&row).map_err(|_| unwritable())?;
    }
    writer.flush().map_err(|_| unwritable())
}

/// A line with a verdict.
struct Judged {
    line: usize,
    l: RecordKey,
    r: RecordKey,
    same: bool,
    probability: f64,
    why: Option<String>,
    /// Whether a guard refused the pair.
    refused: bool,
}

async fn import(file: &Path, steward: &Steward, global: &Global) -> Result<Done> {
    let columns = [
        "source_l",
        "record_id_l",
        "source_r",
        "record_id_r",
        "match_probability",
        "verdict",
        "why",
    ];
    let rows = table(file, &columns, &["doubt"])?;
    let mut judged: Vec<Judged> = Vec::new();
    for (number, row) in (2..).zip(&rows) {
        let wrong = |what: &str| {
            Error::data(format!("{}, line {number}: {what}", file.display())).help(
                "the file is one that `simurgh review export` wrote, with match or different in the column verdict, or nothing where a pair was not judged",
            )
        };
        let same = verdict(&row[5]).map_err(wrong)?;
        let Some(same) = same else { continue };
        if row[..4].iter().any(String::is_empty) {
            return Err(wrong("a source or record_id is empty"));
        }
        let (l, r) = (RecordKey::new(&row[0], &row[1]), RecordKey::new(&row[2], &row[3]));
        if l == r {
            return Err(wrong("both records are one"));
        }
        let probability: f64 =
            row[4].parse().map_err(|_| wrong("match_probability is not a number"))?;
        if !(0.0..=1.0).contains(&probability) {
            return Err(wrong("match_probability is not between 0 and 1"));
        }
        judged.push(Judged {
            line: number,
            l,
            r,
            same,
            probability,
            why: Some(row[6].clone()).filter(|why| !why.trim().is_empty()),
            refused: row[7].starts_with("guard"),
        });
    }
    if judged.is_empty() {
        return Err(Error::data(format!("{}: no pair has a verdict", file.display()))
            .help("write match or different in the column verdict"));
    }
    let mut desk = Desk::open(&global.warehouse).await?;
    let keys: Vec<RecordKey> =
        judged.iter().flat_map(|own| [own.l.clone(), own.r.clone()]).collect();
    let ids = desk.published().golden_ids(&keys).await?;
    // What the model says now, where it still scores the pair; else what it said when the file was
    // written.
    let pairs: Vec<(RecordKey, RecordKey)> =
        judged.iter().map(|own| (own.l.clone(), own.r.clone())).collect();
    let now = desk.published().probabilities(&pairs).await?;
    let (mut fitted, mut refused) = (Vec::new(), (0u64, 0u64));
    for own in judged {
        // A pair that a guard refused was not chosen by its probability: it says of guards, and
        // nothing of the model.
        match own.refused {
            true => refused = (refused.0 + 1, refused.1 + u64::from(own.same)),
            false => {
                let now = now.get(&(own.l.clone(), own.r.clone())).copied();
                fitted.push((now.unwrap_or(own.probability), own.same));
            }
        }
        let golden_ids = (ids.get(&own.l).cloned(), ids.get(&own.r).cloned());
        let decision = NewDecision {
            a: own.l,
            b: own.r,
            same: own.same,
            by: steward.by.clone(),
            at: steward.at,
            why: own.why.or_else(|| steward.why.clone()),
            golden_ids,
            keep_golden_id: None,
        };
        desk.decide(decision, &format!("line {}", own.line));
    }
    let found = calibration(&fitted);
    let (result, added, withdrawn) = publish(desk, "review", global).await?;
    if !global.json {
        print(&found, refused);
    }
    let mut line = rollback::json(&result)?;
    line["added"] = json!(added);
    line["withdrawn"] = json!(withdrawn);
    line["calibration"] = json!(found);
    line["guards"] = json!({ "judged": refused.0, "same": refused.1 });
    Ok(Done::with(line))
}

fn print(found: &Calibration, (judged, same): (u64, u64)) {
    say!("");
    if judged > 0 {
        say!("{judged} pairs judged that a guard had refused, {same} of them the same");
    }
    if found.judged == 0 {
        return;
    }
    say!(
        "{} pairs judged, {} of them the same; the model expects {:.1}; Brier score {:.4}",
        found.judged,
        found.same,
        found.expected,
        found.brier
    );
    say!(
        "  {:<14} {:>7} {:>6} {:>9} {:>7}  interval of 95%",
        "probability",
        "judged",
        "same",
        "expected",
        "share"
    );
    for own in &found.bins {
        say!(
            "  {:<14} {:>7} {:>6} {:>9.4} {:>7.4}  [{:.4}, {:.4}]{:<5} {}",
            format!("{} to {}", own.from, own.to),
            own.judged,
            own.same,
            own.expected,
            own.share.value,
            own.share.low,
            own.share.high,
            if own.fits { "" } else { " off" },
            bar(own.share.value, 1.0, 20)
        );
    }
    let off = found.bins.iter().filter(|own| !own.fits).count();
    match off {
        0 => say!("  the model's probabilities fit the verdicts"),
        _ => say!(
            "  in {off} of {} rows the model's probability is not what people say",
            found.bins.len()
        ),
    }
}
