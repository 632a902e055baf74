//! `simurgh merge ID ID`: a steward's decision that customers are one.

use clap::Args;

use super::steward::{StewardArguments, done, publish};
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::Result;
use crate::pipeline::Desk;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Golden ids, or records as SOURCE:RECORD_ID that stand for their customer; the first one's id
    /// is kept
    #[arg(value_name = "ID", num_args = 2.., required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    steward: StewardArguments,
    /// Withdraws the decisions that stand against it
    #[arg(long)]
    withdraw: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let steward = arguments.steward.steward()?;
        let mut desk = Desk::open(&global.warehouse).await?;
        desk.merge(&arguments.ids, &steward, arguments.withdraw).await?;
        done(&publish(desk, "merge", global).await?)
    })
}
