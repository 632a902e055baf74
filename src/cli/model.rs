//! `simurgh model diff`: what lies between two models.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::out::say;
use super::waterfall::signed_bar;
use super::{Done, Global};
use crate::engine::{Store, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::resolve::{Model, ModelDifference};

/// Levels that are shown.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what moved from model A to model B: prior, levels, what it means for scores
    Diff {
        /// A model file, or the model_hash of one in the warehouse
        a: String,
        /// Another
        b: String,
    },
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let Command::Diff { a, b } = &arguments.command;
    let (before, after) = (read(a, global)?, read(b, global)?);
    if before.kind != after.kind {
        return Err(Error::usage(format!(
            "the models are of two kinds: `{}` and `{}`",
            before.kind, after.kind
        ))
        .help("name two models of one kind"));
    }
    let found = ModelDifference::between(&before, &after);
    if !global.json {
        print(&before.kind, &found);
    }
    let mut json = serde_json::to_value(&found)
        .map_err(|source| Error::bug("the difference cannot be written").because(source))?;
    json["outcome"] = json!(if found.is_none() { "same" } else { "different" });
    json["kind"] = json!(before.kind);
    json["model_hashes"] = json!([before.hash()?, after.hash()?]);
    Ok(Done::with(json))
}

/// A model by its file, or else by its hash in the warehouse.
fn read(name: &str, global: &Global) -> Result<Model> {
    let path = Path::new(name);
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash && !path.exists() {
        let warehouse = Store::open(&global.warehouse)?;
        return run_blocking(pipeline::model(&warehouse, name));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("{name}: cannot be read as a model file"))
            .help("name a file that `simurgh train --out` wrote, or a model_hash of scored_pairs")
            .because(error)
    })?;
    Model::from_json(&text).map_err(|error| {
        Error::data(format!("{name}: {error}"))
            .help("name a file that `simurgh train --out` wrote, or train the model again")
    })
}

fn print(kind: &str, found: &ModelDifference) {
    if found.is_none() {
        say!("{kind}: the models say the same");
        return;
    }
    let (before, after) = found.prior;
    say!("{kind}: prior weight {before:.2} to {after:.2} ({:+.2})", after - before);
    for name in &found.removed {
        say!("  only in A: {name}");
    }
    for name in &found.added {
        say!("  only in B: {name}");
    }
    let moved: Vec<_> =
        found.levels.iter().filter(|own| own.m.0 != own.m.1 || own.u.0 != own.u.1).collect();
    let largest = moved.iter().map(|own| own.moved().abs()).fold(0.1, f64::max);
    let wide = moved.iter().map(|own| own.level.chars().count()).max().unwrap_or(0);
    say!(
        "\n  {:<20} {:<wide$} {:>21} {:>21} {:>17} {:>7}",
        "comparison",
        "level",
        "m",
        "u",
        "weight",
        "moved"
    );
    for own in moved.iter().take(SHOWN) {
        let bar = signed_bar(own.moved(), largest, 8);
        let two = |(a, b): (f64, f64)| format!("{a:.6} → {b:.6}");
        say!(
            "  {:<20} {:<wide$} {:>21} {:>21} {:>8.2} → {:>6.2} {:>+7.2}  {bar}",
            own.comparison,
            own.level,
            two(own.m),
            two(own.u),
            own.weight.0,
            own.weight.1,
            own.moved()
        );
    }
    if moved.len() > SHOWN {
        say!("  and {} more levels; --json gives all", moved.len() - SHOWN);
    }
    say!(
        "\n  a pair of one entity scores {:+.2} bits on average, one that agrees by chance {:+.2}:",
        found.same_entity,
        found.coincidence
    );
    let apart = found.same_entity - found.coincidence;
    let meaning = match (apart.abs() < 0.1, apart > 0.0) {
        (true, _) => "the two are as far apart as before",
        (false, true) => "the two are farther apart: the model tells them apart better",
        (false, false) => "the two are nearer to each other: the model tells them apart less well",
    };
    say!(
        "  {meaning}; at fixed thresholds {}",
        match found.same_entity {
            up if up > 0.1 => "more pairs are merged",
            down if down < -0.1 => "fewer pairs are merged",
            _ => "about as many pairs are merged",
        }
    );
}
