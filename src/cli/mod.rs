//! The command line: a file a command, each of which parses, loads, delegates and prints.
//!
//! Standard output is for results; its last line is one JSON object, on failure too. Progress,
//! logs and errors go to standard error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line is what prints")]

mod check;
mod completions;
mod evaluate;
mod functions;
mod init;
mod plan;
mod run;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::{Value, json};

use crate::config::{self, Loaded};
use crate::error::{Error, Kind, Result};

/// simurgh reads many exports and finds the one customer in them.
#[derive(Debug, Parser)]
#[command(name = "simurgh", version, about, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Where tables live: a folder, or a URL such as s3://bucket/prefix
    #[arg(long, global = true, env = "SIMURGH_WAREHOUSE", default_value = "./warehouse", value_name = "URI")]
    warehouse: String,
    /// Overrides a key of the pipeline file, such as sources.crm.max_removed=20%
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Prints only the last line: one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Says nothing on standard error but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Says more on standard error; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a new pipeline project that runs at once
    Init(init::Arguments),
    /// Checks a pipeline file and all it refers to, and reads no export
    Check(check::Arguments),
    /// Shows what a run would read, do and write, and does nothing
    Plan(plan::Arguments),
    /// Runs a pipeline for a date, or one of its stages
    Run(run::Arguments),
    /// Measures the published entities against a file of known ones
    Evaluate(evaluate::Arguments),
    /// Lists the SQL functions and the comparisons, with examples
    Functions(functions::Arguments),
    /// Lists the published tables, shows one, or queries them with SQL
    Tables(tables::Arguments),
    /// Prints a completion script for a shell
    Completions(completions::Arguments),
}

/// Where a command finds its pipeline file.
#[derive(Debug, Clone, Args)]
struct PipelineFile {
    /// The pipeline file; else pipeline.yaml here
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<PathBuf>,
}

impl PipelineFile {
    fn path(&self) -> Result<PathBuf> {
        match &self.pipeline {
            Some(path) => Ok(path.clone()),
            None if PathBuf::from("pipeline.yaml").exists() => Ok(PathBuf::from("pipeline.yaml")),
            None => Err(Error::usage("no pipeline file was named, and there is no pipeline.yaml here")
                .help("name one: simurgh run pipelines/customer360.yaml; or make one: simurgh init DIR")),
        }
    }

    fn load(&self, global: &Global) -> Result<Loaded> {
        config::load(&self.path()?, &global.sets, &|name| std::env::var(name).ok())
    }
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not failures; clap prints each where it belongs.
            let _ = error.print();
            if error.use_stderr() {
                println!("{}", json!({"outcome": "failed", "error": "usage"}));
                return ExitCode::from(Kind::Usage.exit_code());
            }
            return ExitCode::SUCCESS;
        }
    };
    log(&cli.global);
    crate::report::set_quiet(cli.global.quiet || cli.global.json);
    let done = match &cli.command {
        Command::Init(arguments) => init::run(arguments, &cli.global),
        Command::Check(arguments) => check::run(arguments, &cli.global),
        Command::Plan(arguments) => plan::run(arguments, &cli.global),
        Command::Run(arguments) => run::run(arguments, &cli.global),
        Command::Evaluate(arguments) => evaluate::run(arguments, &cli.global),
        Command::Functions(arguments) => functions::run(arguments, &cli.global),
        Command::Tables(arguments) => tables::run(arguments, &cli.global),
        Command::Completions(arguments) => completions::run(arguments, Cli::command()),
    };
    match done {
        Ok(Done { json, code }) => {
            if let Some(json) = json {
                println!("{json}");
            }
            ExitCode::from(code)
        }
        Err(error) => {
            show(&error);
            println!("{}", failure(&error));
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// What a command leaves: its last line, and its exit code.
#[derive(Debug)]
struct Done {
    json: Option<Value>,
    code: u8,
}

impl Done {
    fn with(json: Value) -> Self {
        Self { json: Some(json), code: 0 }
    }

    fn nothing() -> Self {
        Self { json: None, code: 0 }
    }
}

fn log(global: &Global) {
    // simurgh's own events only: those of its dependencies may quote what they read.
    let level = match (global.quiet, global.verbose) {
        (true, _) => "off,simurgh=error",
        (false, 0) => "off,simurgh=warn",
        (false, 1) => "off,simurgh=info",
        (false, 2) => "off,simurgh=debug",
        (false, _) => "off,simurgh=trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}

/// Prints an error: every configuration error with its place, or one message with its causes.
fn show(error: &Error) {
    for report in error.diagnostics() {
        eprintln!("{report:?}");
    }
    eprintln!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        eprintln!("  because: {source}");
        cause = source.source();
    }
    if let Some(help) = error.advice() {
        eprintln!("  help: {help}");
    }
}

fn failure(error: &Error) -> Value {
    json!({
        "outcome": crate::pipeline::outcome_of(error),
        "error": error.to_string(),
        "help": error.advice(),
        "exit_code": error.kind().exit_code(),
    })
}
