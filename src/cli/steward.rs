//! What commands that decide share: who decides and why, what contradicts, what was published.

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::error::{Error, Result};
use crate::pipeline::{CommandResult, Desk, Outcome, Steward};

/// Who decides, and why.
#[derive(Debug, Clone, Args)]
pub(super) struct StewardArguments {
    /// Who decides: `decided_by` is steward:NAME; else $SIMURGH_STEWARD, else $USER
    #[arg(long, env = "SIMURGH_STEWARD", value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) why: Option<String>,
}

impl StewardArguments {
    pub(super) fn steward(&self) -> Result<Steward> {
        let user = || std::env::var("USER").ok();
        let by = self.by.clone().or_else(user).map(|name| name.trim().to_owned());
        let by = by.filter(|name| !name.is_empty() && !name.contains(char::is_control));
        let by = by.ok_or_else(|| {
            Error::usage("nobody is named who decides")
                .help("add --by NAME, or set SIMURGH_STEWARD")
        })?;
        let why = self.why.clone().filter(|why| !why.trim().is_empty());
        Ok(Steward { by, at: jiff::Timestamp::now().as_microsecond(), why })
    }
}

/// Publishes what was changed, or says what it contradicts: the records of the chain on standard
/// output, for who may see addresses, the decisions in the error.
pub(super) async fn publish(
    desk: Desk,
    name: &str,
    global: &Global,
) -> Result<(CommandResult, Vec<String>, Vec<String>)> {
    if let Some(found) = desk.contradiction() {
        if !global.json {
            for (place, record) in (1..).zip(&found.records) {
                say!("record {place} is {record}");
            }
        }
        return Err(desk.refusal(&found));
    }
    let (added, withdrawn) = (desk.added().to_vec(), desk.withdrawn().to_vec());
    let result = desk.publish(name).await?;
    if !global.json {
        let of = |name: &str| result.details.get(name).cloned().unwrap_or_default();
        match result.outcome {
            Outcome::Published => {
                say!(
                    "{} decisions added, {} withdrawn, {} stood already; {} stand now",
                    of("decisions_added"),
                    of("decisions_withdrawn"),
                    of("decisions_known"),
                    of("decisions_standing")
                );
                for (word, ids) in [("added", &added), ("withdrawn", &withdrawn)] {
                    match &ids[..] {
                        [] => {}
                        [one] => say!("  {word} {one}"),
                        [first, .., last] => say!("  {word} {first} to {last}"),
                    }
                }
                say!(
                    "the next run obeys them: run the pipeline again for {}, or for the next date",
                    result.logical_date
                );
            }
            _ => say!("these decisions stand already: nothing was done"),
        }
    }
    Ok((result, added, withdrawn))
}

/// The last line of a command that decides.
pub(super) fn done(published: &(CommandResult, Vec<String>, Vec<String>)) -> Result<Done> {
    let (result, added, withdrawn) = published;
    let mut line = super::rollback::json(result)?;
    line["added"] = json!(added);
    line["withdrawn"] = json!(withdrawn);
    Ok(Done::with(line))
}
