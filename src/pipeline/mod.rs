//! Every stage, in order: the only place that names them all.
//!
//! A run is a transaction. It is known by a hash of the pipeline's name, the logical date, the
//! inputs and the configuration that changes results; each stage hands over through staging, so
//! that a run killed anywhere is resumed by the same command; `land` publishes all tables at once.

mod candidates;
mod check;
mod checks;
pub mod dedupe;
mod inputs;
pub mod judged;
mod landing;
mod lineage;
mod look;
mod models;
mod plan;
mod previous;
mod published;
mod resolution;
mod run;
mod sql;
mod stages;

pub use candidates::{Key, candidates};
pub use check::{Checked, check};
pub use inputs::Input;
pub use look::{Look, LookRequest, model};
pub use plan::{KindPlan, Plan, SourcePlan, plan};
pub use published::PublishedTables;
pub use run::{Outcome, Request, RunResult, StageResult, outcome_of, run};

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
