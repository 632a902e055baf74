//! `simurgh decisions`: stewards' decisions, listed, as a CSV file to edit, withdrawn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::out::say;
use super::steward::{StewardArguments, done, publish};
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{Desk, Steward};
use crate::resolve::{Decision, NewDecision, RecordKey};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the decisions that stand
    List {
        /// Those that were withdrawn too
        #[arg(long)]
        all: bool,
    },
    /// Writes all decisions to a CSV file, to be edited and imported
    Export {
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Reads decisions from a CSV file: new lines are decided, those with withdrawn_at withdrawn
    Import {
        /// The file: the columns a, b (SOURCE:RECORD_ID) and verdict (same or different), and where
        /// wanted by, at, why, decision_id, withdrawn_at
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        steward: StewardArguments,
    },
    /// Withdraws decisions: the next run decides by itself again
    Withdraw {
        /// Their identifiers, as `simurgh decisions list` shows them
        #[arg(value_name = "DECISION_ID", required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        steward: StewardArguments,
    },
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let mut desk = Desk::open(&global.warehouse).await?;
        match &arguments.command {
            Command::List { all } => Ok(list(&desk, *all, global)),
            Command::Export { out } => export(&desk, out, global),
            Command::Import { file, steward } => {
                import(&mut desk, file, &steward.steward()?).await?;
                done(&publish(desk, "decisions", global).await?)
            }
            Command::Withdraw { ids, steward } => {
                let steward = steward.steward()?;
                ids.iter().try_for_each(|id| desk.withdraw(id, &steward))?;
                done(&publish(desk, "decisions", global).await?)
            }
        }
    })
}

/// A time as it is written; nothing for none.
fn time(microseconds: Option<i64>) -> String {
    microseconds
        .and_then(|own| jiff::Timestamp::from_microsecond(own).ok())
        .map(|own| own.to_string())
        .unwrap_or_default()
}

fn verdict(decision: &Decision) -> &'static str {
    if decision.same { "same" } else { "different" }
}

fn list(desk: &Desk, all: bool, global: &Global) -> Done {
    let shown: Vec<&Decision> =
        desk.decisions().list().iter().filter(|own| all || own.stands()).collect();
    if !global.json {
        for own in &shown {
            let why = own.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            let withdrawn = match own.withdrawn_at {
                None => String::new(),
                at => format!(
                    "; withdrawn {} by {}",
                    time(at),
                    own.withdrawn_by.as_deref().unwrap_or_default()
                ),
            };
            let keeps = own.keep_golden_id.as_deref().map(|id| format!("; keeps {id}"));
            say!(
                "{}  {} and {} are {}, by {}{why}{}{withdrawn}",
                own.id,
                own.a,
                own.b,
                if own.same { "the same" } else { "different" },
                own.by,
                keeps.unwrap_or_default()
            );
        }
    }
    let rows = shown.iter().map(|own| {
        json!({
            "decision_id": own.id,
            "a": own.a.to_string(),
            "b": own.b.to_string(),
            "verdict": verdict(own),
            "by": own.by,
            "at": time(Some(own.at)),
            "why": own.why,
            "withdrawn_at": own.withdrawn_at.map(|at| time(Some(at))),
            "withdrawn_by": own.withdrawn_by,
            "golden_id_a": own.golden_id_a,
            "golden_id_b": own.golden_id_b,
            "keep_golden_id": own.keep_golden_id,
        })
    });
    let standing = desk.decisions().list().iter().filter(|own| own.stands()).count();
    Done::with(json!({
        "outcome": "listed",
        "standing": standing,
        "decisions": rows.collect::<Vec<_>>(),
    }))
}

const COLUMNS: [&str; 8] = ["decision_id", "a", "b", "verdict", "by", "at", "why", "withdrawn_at"];

fn export(desk: &Desk, out: &Path, global: &Global) -> Result<Done> {
    let unwritable = || {
        Error::data(format!("{}: cannot be written", out.display())).help("choose another --out")
    };
    let mut writer = csv::Writer::from_path(out).map_err(|_| unwritable())?;
    writer.write_record(COLUMNS).map_err(|_| unwritable())?;
    for own in desk.decisions().list() {
        let row = [
            own.id.clone(),
            own.a.to_string(),
            own.b.to_string(),
            verdict(own).to_owned(),
            own.by.clone(),
            time(Some(own.at)),
            own.why.clone().unwrap_or_default(),
            time(own.withdrawn_at),
        ];
        writer.write_record(&row).map_err(|_| unwritable())?;
    }
    writer.flush().map_err(|_| unwritable())?;
    let count = desk.decisions().list().len();
    if !global.json {
        say!("{count} decisions written to {}", out.display());
        say!("add lines with a, b and verdict, or write a time in withdrawn_at; then:");
        say!("  simurgh decisions import {}", out.display());
    }
    Ok(Done::with(json!({
        "outcome": "exported",
        "path": out.display().to_string(),
        "decisions": count,
    })))
}

/// One line of the file.
struct Line {
    number: u64,
    cells: BTreeMap<String, String>,
}

impl Line {
    fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }
}

fn lines(file: &Path) -> Result<Vec<Line>> {
    let help = "it must be a CSV file with the columns a, b and verdict";
    let unreadable = |source: csv::Error| {
        let place = source.position().map(|at| format!(", line {}", at.line())).unwrap_or_default();
        Error::data(format!("{}{place}: cannot be read as CSV", file.display())).help(help)
    };
    let mut reader = csv::Reader::from_path(file).map_err(unreadable)?;
    let headers: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(|own| own.trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    if let Some(missing) =
        ["a", "b", "verdict"].iter().find(|own| !headers.iter().any(|h| h == *own))
    {
        return Err(
            Error::data(format!("{}: column `{missing}` is missing", file.display())).help(help)
        );
    }
    let mut lines = Vec::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let number = row.position().map_or(0, csv::Position::line);
        let cells = headers.iter().cloned().zip(row.iter().map(str::to_owned)).collect();
        lines.push(Line { number, cells });
    }
    Ok(lines)
}

async fn import(desk: &mut Desk, file: &Path, steward: &Steward) -> Result<()> {
    let lines = lines(file)?;
    let wrong = |line: &Line, what: &str, help: &str| {
        Err(Error::data(format!("{}, line {}: {what}", file.display(), line.number)).help(help))
    };
    let mut new = Vec::new();
    for line in &lines {
        let address = |column| line.get(column).and_then(RecordKey::parse);
        let (Some(a), Some(b)) = (address("a"), address("b")) else {
            return wrong(
                line,
                "a or b is not the address of a record",
                "an address is SOURCE:RECORD_ID, as in the table entity_members",
            );
        };
        let same = match line.get("verdict").map(str::to_lowercase).as_deref() {
            Some("same") => true,
            Some("different") => false,
            _ => {
                let help = "write same or different";
                return wrong(line, "the verdict is neither same nor different", help);
            }
        };
        if a == b {
            return wrong(line, "a and b are one record", "name two records");
        }
        if let Some(id) = line.get("decision_id") {
            let Some(known) = desk.decisions().get(id).cloned() else {
                let help = "leave decision_id empty on a new line: it gets one";
                return wrong(line, "there is no such decision_id", help);
            };
            if (&known.a, &known.b, known.same) != (&a, &b, same) {
                return wrong(
                    line,
                    "a decision was edited",
                    "write a time in its withdrawn_at, and add a new line without decision_id",
                );
            }
            if line.get("withdrawn_at").is_some() && known.stands() {
                desk.withdraw(id, steward)?;
            } else if line.get("withdrawn_at").is_none() && !known.stands() {
                return wrong(
                    line,
                    "a decision that was withdrawn has no withdrawn_at any more",
                    "what was withdrawn stays so: add a new line without decision_id",
                );
            }
            continue;
        }
        if line.get("withdrawn_at").is_some() {
            let help = "leave withdrawn_at empty, or the line out";
            return wrong(line, "a new decision is withdrawn already", help);
        }
        let at = match line.get("at").map(str::parse::<jiff::Timestamp>) {
            None => steward.at,
            Some(Ok(at)) => at.as_microsecond(),
            Some(Err(_)) => {
                let help = "write it as 2026-11-25T14:30:00Z, or leave it empty for now";
                return wrong(line, "`at` is not a time", help);
            }
        };
        let own = Steward {
            by: line.get("by").map_or_else(|| steward.by.clone(), str::to_owned),
            at,
            why: line.get("why").map(str::to_owned).or_else(|| steward.why.clone()),
        };
        new.push((line.number, a, b, same, own));
    }
    let keys: Vec<RecordKey> =
        new.iter().flat_map(|(_, a, b, ..)| [a.clone(), b.clone()]).collect();
    let ids = desk.published().golden_ids(&keys).await?;
    for (number, a, b, same, own) in new {
        let golden_ids = (ids.get(&a).cloned(), ids.get(&b).cloned());
        let decision = NewDecision {
            a,
            b,
            same,
            by: own.by,
            at: own.at,
            why: own.why,
            golden_ids,
            keep_golden_id: None,
        };
        desk.decide(decision, &format!("line {number}"));
    }
    Ok(())
}
