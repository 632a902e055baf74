//! `simurgh verify`: is the warehouse what its runs wrote?

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::engine::{Store, run_blocking};
use crate::error::Result;
use crate::land;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A head that a run's last line printed: the chain must hold it, so that a chain that was cut
    /// or written anew is found too
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let found = run_blocking(async {
        let warehouse = Store::open(&global.warehouse)?;
        land::refuse_other_formats(&warehouse).await?;
        land::verify(&warehouse, arguments.head.as_deref()).await
    })?;
    if !global.json {
        for finding in &found.findings {
            let run = finding.run_id.as_ref().map(|run| format!(" (run {run})"));
            say!("{} {}{}", finding.file, finding.what, run.unwrap_or_default());
        }
        say!(
            "{} runs, {} files, {} bytes; {} findings",
            found.runs,
            found.files,
            found.bytes,
            found.findings.len()
        );
        if !found.unreferenced.is_empty() {
            say!("{} files of runs that were broken off, in no table", found.unreferenced.len());
        }
        match (&found.head, &arguments.head) {
            (Some(head), None) => say!("head {head}: keep it elsewhere, for `verify --head`"),
            (Some(head), Some(_)) => say!("head {head}"),
            (None, _) => say!("nothing is published yet"),
        }
    }
    let whole = found.findings.is_empty();
    let mut json = json!({ "outcome": if whole { "verified" } else { "altered" } });
    if let (Some(json), Ok(serde_json::Value::Object(found))) =
        (json.as_object_mut(), serde_json::to_value(&found))
    {
        json.extend(found);
    }
    Ok(Done { json: Some(json), code: if whole { 0 } else { 1 } })
}
