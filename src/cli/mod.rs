//! The command line: a file a command, each of which parses, loads, delegates and prints.
//!
//! Standard output is for results; its last line is one JSON object, on failure too. Progress,
//! logs and errors go to standard error.

mod audit;
mod block;
mod bounds;
mod check;
mod completions;
mod decisions;
mod dedupe;
mod diff;
mod errors;
mod evaluate;
mod explain;
mod forget;
mod functions;
mod init;
mod interrupt;
mod maintain;
mod merge;
mod model;
mod out;
mod plan;
mod review;
mod rollback;
mod rows;
mod run;
mod sample;
mod show;
mod steward;
mod tables;
mod train;
mod truth;
mod unmerge;
mod verify;
mod waterfall;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::{Value, json};

use crate::config::{self, Loaded};
use crate::engine::STACK;
use crate::error::{Error, Kind, Result};
use out::complain;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 data or configuration to mend, 2 usage, 70 a bug, \
75 try again, 99 nothing to do (only with --skip-unchanged). The last line of standard output is \
one JSON object.";

/// simurgh reads many exports and finds the one customer in them.
#[derive(Debug, Parser)]
#[command(name = "simurgh", version, about, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Where tables live: a folder, or a URL such as s3://bucket/prefix
    #[arg(
        long,
        global = true,
        env = "SIMURGH_WAREHOUSE",
        default_value = "./warehouse",
        value_name = "URI"
    )]
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
    /// Compares what two runs published: entities, ids, values, and the facts that move
    Diff(diff::Arguments),
    /// Puts every table of a run back, in the place of what is in force
    Rollback(rollback::Arguments),
    /// Compacts tables, writes checkpoints, removes what no kept run needs
    Maintain(maintain::Arguments),
    /// Finds the records of files that are the same, without a pipeline
    Dedupe(dedupe::Arguments),
    /// Shows what each blocking rule gives, and proposes rules
    Block(block::Arguments),
    /// Trains a model without a run, shows it and writes it
    Train(train::Arguments),
    /// Compares two models
    Model(model::Arguments),
    /// Draws pairs for a person to judge
    Sample(sample::Arguments),
    /// Measures the published entities against known ones, or against judged pairs
    Evaluate(evaluate::Arguments),
    /// Lists the SQL functions and the comparisons, with examples
    Functions(functions::Arguments),
    /// Lists the published tables, shows one, or queries them with SQL
    Tables(tables::Arguments),
    /// Shows one customer: values and where they come from, records, history
    Show(show::Arguments),
    /// Says why two records are one customer, or not; or how a customer came to be
    Explain(explain::Arguments),
    /// Decides that customers are one
    Merge(merge::Arguments),
    /// Decides that records are not of a customer
    Unmerge(unmerge::Arguments),
    /// Lists stewards' decisions, writes and reads them as CSV, withdraws them
    Decisions(decisions::Arguments),
    /// Writes the doubtful pairs for a person to judge, and reads the verdicts
    Review(review::Arguments),
    /// Compares every file of the warehouse with the chain of manifests
    Verify(verify::Arguments),
    /// The evidence about a customer in one file, and its decisions made again
    Audit(audit::Arguments),
    /// Takes a person out of every table and file, and keeps them out
    Forget(forget::Arguments),
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
            None => Err(Error::usage(
                "no pipeline file was named, and there is no pipeline.yaml here",
            )
            .help(
                "name one: simurgh run pipelines/customer360.yaml; or make one: simurgh init DIR",
            )),
        }
    }

    fn load(&self, global: &Global) -> Result<Loaded> {
        config::load(&self.path()?, &global.sets, &|name| std::env::var(name).ok())
    }
}

/// Runs the program on the process's arguments, on a thread that has room for deep query plans: the
/// system chose the stack of the process's own.
pub fn main() -> ExitCode {
    let thread = std::thread::Builder::new().name("simurgh".to_owned()).stack_size(STACK);
    match thread.spawn(run_program).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => ExitCode::from(Kind::Bug.exit_code()),
        Err(cause) => {
            let error = Error::retry("the program's own thread did not start").because(cause);
            ExitCode::from(fail(&error))
        }
    }
}

fn run_program() -> ExitCode {
    hide_panics();
    set_width();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    keep_out_of_core_dumps();
    interrupt::listen();
    log(&cli.global);
    crate::report::set_quiet(cli.global.quiet || cli.global.json);
    let done = catch_unwind(AssertUnwindSafe(|| match &cli.command {
        Command::Init(arguments) => init::run(arguments, &cli.global),
        Command::Check(arguments) => check::run(arguments, &cli.global),
        Command::Plan(arguments) => plan::run(arguments, &cli.global),
        Command::Run(arguments) => run::run(arguments, &cli.global),
        Command::Diff(arguments) => diff::run(arguments, &cli.global),
        Command::Rollback(arguments) => rollback::run(arguments, &cli.global),
        Command::Maintain(arguments) => maintain::run(arguments, &cli.global),
        Command::Dedupe(arguments) => dedupe::run(arguments, &cli.global),
        Command::Block(arguments) => block::run(arguments, &cli.global),
        Command::Train(arguments) => train::run(arguments, &cli.global),
        Command::Model(arguments) => model::run(arguments, &cli.global),
        Command::Sample(arguments) => sample::run(arguments, &cli.global),
        Command::Evaluate(arguments) => evaluate::run(arguments, &cli.global),
        Command::Functions(arguments) => functions::run(arguments, &cli.global),
        Command::Tables(arguments) => tables::run(arguments, &cli.global),
        Command::Show(arguments) => show::run(arguments, &cli.global),
        Command::Merge(arguments) => merge::run(arguments, &cli.global),
        Command::Unmerge(arguments) => unmerge::run(arguments, &cli.global),
        Command::Decisions(arguments) => decisions::run(arguments, &cli.global),
        Command::Review(arguments) => review::run(arguments, &cli.global),
        Command::Explain(arguments) => explain::run(arguments, &cli.global),
        Command::Verify(arguments) => verify::run(arguments, &cli.global),
        Command::Audit(arguments) => audit::run(arguments, &cli.global),
        Command::Forget(arguments) => forget::run(arguments, &cli.global),
        Command::Completions(arguments) => completions::run(arguments, Cli::command()),
    }));
    let code = match done {
        Ok(Ok(Done { json, code })) => {
            out::answer(json.as_ref(), || {});
            code
        }
        Ok(Err(error)) => fail(&error),
        Err(_) => fail(&Error::bug("the program met a case that it does not know")),
    };
    if code == 0 && out::lost() {
        complain!("error: standard output could not be written");
        complain!("  help: run the same command again with room for its output");
        return ExitCode::from(Kind::Retry.exit_code());
    }
    ExitCode::from(code)
}

/// Says what went wrong, once; gives its exit code.
fn fail(error: &Error) -> u8 {
    out::answer(Some(&failure(error)), || show(error));
    error.kind().exit_code()
}

/// What clap found: a question for help or the version, or arguments that are none.
fn misused(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind as E;
    if !error.use_stderr() {
        // A reader who has seen enough of the help is no concern of it.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if matches!(error.kind(), E::MissingSubcommand | E::DisplayHelpOnMissingArgumentOrSubcommand) {
        if error.kind() == E::DisplayHelpOnMissingArgumentOrSubcommand {
            let _ = error.print();
        }
        let help = "name one: `simurgh --help` lists them";
        return ExitCode::from(fail(&Error::usage("no command was named").help(help)));
    }
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut what = lines.first().map_or("", |line| line.trim_start_matches("error: ")).to_owned();
    if what.ends_with(':') {
        // What is missing stands below, a line each.
        let missing = lines.iter().skip(1).take_while(|line| line.starts_with(['<', '-']));
        what = format!("{what} {}", missing.copied().collect::<Vec<_>>().join(", "));
    }
    let found = |mark: &str| lines.iter().find_map(|line| line.strip_prefix(mark));
    // Clap says what would mend it in one of these ways, or only how the command is used.
    let help = match (found("tip: "), found("[possible values: "), found("Usage: ")) {
        (Some(tip), _, _) => tip.to_owned(),
        (_, Some(values), _) => format!("one of {}", values.trim_end_matches(']')),
        (_, _, Some(usage)) => format!("the command is used so: {usage}; --help says more"),
        _ => "`simurgh COMMAND --help` says what is possible".to_owned(),
    };
    ExitCode::from(fail(&Error::usage(what).help(help)))
}

/// A panic says where it was, and what only where the program's own text says it: a message that
/// was put together may quote a value of the data.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
        complain!("{}", of_panic(&place.unwrap_or_default(), panic.payload()));
    }));
}

/// A core dump holds none of the process's memory: records and secrets are in it. Where the system
/// has no such setting, `ulimit -c 0` does it.
fn keep_out_of_core_dumps() {
    let _ = std::fs::write("/proc/self/coredump_filter", "0");
}

/// What is told of a panic.
fn of_panic(place: &str, payload: &dyn std::any::Any) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => format!("panic at {place}: {text}"),
        None => format!("panic at {place}"),
    }
}

/// In a terminal a report is as wide as that is; in a log file its sentences stay on one line.
fn set_width() {
    if !std::io::stderr().is_terminal() {
        let _ = miette::set_hook(Box::new(|_| {
            Box::new(miette::MietteHandlerOpts::new().width(400).build())
        }));
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
        // It would say so on standard error, which is what could not be written.
        .log_internal_errors(false)
        .try_init();
}

/// Prints an error: every configuration error with its place, or one message with its causes.
fn show(error: &Error) {
    for report in error.diagnostics() {
        complain!("{report:?}");
    }
    complain!("error: {error}");
    for note in error.noted() {
        complain!("  {note}");
    }
    let mut cause = std::error::Error::source(error);
    let mut before = error.to_string();
    while let Some(source) = cause {
        let text = source.to_string();
        // Many a crate repeats the cause in its own words.
        if !before.contains(&text) {
            complain!("  because: {text}");
            before = text;
        }
        cause = source.source();
    }
    complain!("  help: {}", advice(error));
}

/// What to do about an error; every one has something.
fn advice(error: &Error) -> &str {
    let general = match error.kind() {
        Kind::Configuration if !error.diagnostics().is_empty() => {
            "mend every place above; `simurgh check` shows them without reading an export"
        }
        Kind::Configuration => "mend the pipeline file or what it refers to: see docs/errors.md",
        Kind::Data => "mend the data that is named: see docs/errors.md",
        Kind::Usage => "`simurgh --help` and `simurgh COMMAND --help` say what is possible",
        Kind::Retry => "run the same command again",
        Kind::Bug => {
            "this is a bug of simurgh: please report it, with the command and this message"
        }
    };
    error.advice().unwrap_or(general)
}

fn failure(error: &Error) -> Value {
    let mut json = json!({
        "outcome": crate::pipeline::outcome_of(error),
        "error": error.to_string(),
        "help": advice(error),
        "exit_code": error.kind().exit_code(),
    });
    for (key, value) in error.details() {
        json[key] = value.clone();
    }
    let problems: Vec<Value> = error
        .diagnostics()
        .iter()
        .map(|report| json!({ "problem": report.to_string(), "place": place(report), "help": report.help().map(|help| help.to_string()) }))
        .collect();
    if !problems.is_empty() {
        json["problems"] = problems.into();
    }
    json
}

/// Where a configuration error is: file:line:column.
fn place(report: &miette::Report) -> Option<String> {
    let label = report.labels()?.next()?;
    let at = report.source_code()?.read_span(label.inner(), 0, 0).ok()?;
    Some(format!("{}:{}:{}", at.name().unwrap_or_default(), at.line() + 1, at.column() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_quotes_no_value() {
        let told = |panics: fn(&str)| {
            let value = "canary-7731".to_owned();
            let caught = catch_unwind(AssertUnwindSafe(|| panics(&value))).unwrap_err();
            of_panic("src/a.rs:7", caught.as_ref())
        };
        let quoting = told(|value| assert!(value.is_empty(), "the value {value} is there"));
        assert_eq!(quoting, "panic at src/a.rs:7");
        let plain = told(|value| assert!(value.is_empty(), "a value is there"));
        assert_eq!(plain, "panic at src/a.rs:7: a value is there");
    }
}
