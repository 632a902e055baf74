//! `simurgh unmerge ID`: a steward's decision that records of a customer are not of it.

use clap::Args;

use super::steward::{StewardArguments, done, publish};
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::Desk;
use crate::resolve::RecordKey;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A golden id, or a record as SOURCE:RECORD_ID that stands for its customer
    #[arg(value_name = "ID")]
    id: String,
    /// The records that leave, as SOURCE:RECORD_ID, with commas between; the rest keeps the id. Else
    /// each record is parted from each
    #[arg(long, value_name = "SOURCE:RECORD_ID,...", value_delimiter = ',')]
    records: Vec<String>,
    #[command(flatten)]
    steward: StewardArguments,
    /// Withdraws the decisions that stand against it
    #[arg(long)]
    withdraw: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let steward = arguments.steward.steward()?;
        let record = |text: &String| {
            RecordKey::parse(text.trim()).ok_or_else(|| {
                Error::usage("--records: one of them is no address")
                    .help("a record's address is SOURCE:RECORD_ID, as in the table entity_members")
            })
        };
        let records: Vec<RecordKey> =
            arguments.records.iter().map(record).collect::<Result<_>>()?;
        let mut desk = Desk::open(&global.warehouse).await?;
        desk.unmerge(&arguments.id, &records, &steward, arguments.withdraw).await?;
        done(&publish(desk, "unmerge", global).await?)
    })
}
