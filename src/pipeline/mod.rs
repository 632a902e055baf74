//! Every stage, in order: the only place that names them all.
//!
//! A run is a transaction. It is known by a hash of the pipeline's name, the logical date, the
//! inputs and the configuration that changes results; each stage hands over through staging, so
//! that a run killed anywhere is resumed by the same command; `land` publishes all tables at once.

mod alerts;
mod audit;
mod candidates;
mod check;
mod checks;
mod commands;
mod consent;
mod decided;
pub mod dedupe;
mod diff;
mod difference;
mod drift;
mod explain;
mod forget;
mod gate;
mod incremental;
mod inputs;
pub mod judged;
mod landing;
mod lineage;
mod look;
mod maintain;
mod models;
mod plan;
mod previous;
mod pseudonyms;
mod published;
mod replay;
mod resolution;
mod review;
mod rollback;
mod run;
mod sql;
mod stages;
mod steward;

pub use audit::{Audited, Exported, check as check_audit, export as export_audit};
pub use candidates::{Key, candidates};
pub use check::{Checked, check};
pub use commands::CommandResult;
pub use diff::{Diff, DiffRequest, diff};
pub use difference::{Cause, Cluster, Difference, Moved};
pub use drift::{DriftReport, Drifted, Measures};
pub use explain::{Compared, ComparedPair, PairScore, Records};
pub use forget::{ForgetRequest, Who, forget};
pub use gate::{GateReport, Past, lines};
pub use inputs::Input;
pub use look::{Look, LookRequest, model};
pub use maintain::{MaintainRequest, maintain};
pub use plan::{KindPlan, Plan, SourcePlan, plan};
pub use published::PublishedTables;
pub use replay::{Rebuilt, Replay, ReplayRequest, replay};
pub use review::{Review, review};
pub use rollback::{RollbackRequest, rollback};
pub use run::{Outcome, Request, RunResult, StageResult, outcome_of, run};
pub use steward::{Desk, Steward};

/// The stages, in order.
pub const STAGES: &[&str] = &["extract", "clean", "resolve", "golden", "enrich", "profile", "land"];

/// The stages that a command asks for, as positions in [`STAGES`].
///
/// # Errors
/// A stage of another name, with the nearest one.
pub fn select(
    only: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
) -> crate::Result<std::ops::RangeInclusive<usize>> {
    let position = |name: &str| {
        STAGES.iter().position(|stage| *stage == name).ok_or_else(|| {
            let nearest = STAGES
                .iter()
                .min_by_key(|stage| strsim::damerau_levenshtein(stage, name))
                .copied()
                .unwrap_or_default();
            crate::Error::usage(format!("`{name}` is not a stage"))
                .help(format!("did you mean `{nearest}`? the stages: {}", STAGES.join(", ")))
        })
    };
    let (first, last) = match only {
        Some(stage) => (position(stage)?, position(stage)?),
        None => (from.map_or(Ok(0), position)?, to.map_or(Ok(STAGES.len() - 1), position)?),
    };
    if first > last {
        return Err(crate::Error::usage("--from names a stage after that of --to")
            .help(format!("the stages, in order: {}", STAGES.join(", "))));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_selected_by_name() {
        assert_eq!(select(None, None, None).unwrap(), 0..=6);
        assert_eq!(select(Some("golden"), None, None).unwrap(), 3..=3);
        assert_eq!(select(None, Some("clean"), Some("golden")).unwrap(), 1..=3);
        let error = select(Some("golder"), None, None).unwrap_err();
        assert!(error.advice().unwrap().contains("`golden`"));
        assert!(select(None, Some("land"), Some("clean")).is_err());
    }
}
