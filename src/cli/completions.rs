//! `simurgh completions`: a completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use super::Done;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> Result<Done> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "simurgh", &mut script);
    super::out::bytes(&script);
    Ok(Done::nothing())
}
