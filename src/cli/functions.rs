//! `simurgh functions`: the SQL functions and the comparisons, with examples that are tests.

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::config::suggestion;
use crate::error::{Error, Result};
use crate::functions::FUNCTIONS;
use crate::resolve::COMPARISONS;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shows one function
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Lists the comparisons of `resolve` instead
    #[arg(long, conflicts_with = "name")]
    comparisons: bool,
    /// Prints the functions as the Markdown of docs/functions.md
    #[arg(long, conflicts_with_all = ["name", "comparisons"])]
    markdown: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    if arguments.markdown {
        super::out::bytes(crate::functions::markdown().as_bytes());
        return Ok(Done::nothing());
    }
    if arguments.comparisons {
        if !global.json {
            for kind in COMPARISONS {
                say!("{:<16} {}", kind.name, kind.description);
            }
        }
        let names: Vec<&str> = COMPARISONS.iter().map(|kind| kind.name).collect();
        return Ok(Done::with(json!({ "comparisons": names })));
    }
    if let Some(name) = &arguments.name {
        return one(name, global);
    }
    if !global.json {
        let mut group = "";
        let mut functions: Vec<_> = FUNCTIONS.iter().collect();
        functions.sort_by_key(|function| (function.group, function.name));
        for function in functions {
            if function.group != group {
                group = function.group;
                say!("\n{group}");
            }
            say!("  {}", function.signature);
            if let Some((sql, gives)) = function.examples.first() {
                say!("      {sql}  ->  {gives}");
            }
        }
        say!("\nsimurgh functions NAME shows one with all its examples.");
    }
    let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    Ok(Done::with(json!({ "functions": names })))
}

fn one(name: &str, global: &Global) -> Result<Done> {
    let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
        let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        return Err(Error::usage(format!("there is no function `{name}`")).help(suggestion(
            name,
            &names,
            "the functions",
        )));
    };
    if !global.json {
        say!("{} -> {}\n\n{}\n", function.signature, function.returns, function.summary);
        for (sql, gives) in function.examples {
            say!("  {sql}  ->  {}", if gives.is_empty() { "null" } else { gives });
        }
    }
    Ok(Done::with(json!({
        "name": function.name,
        "signature": function.signature,
        "returns": function.returns,
        "summary": function.summary,
    })))
}
