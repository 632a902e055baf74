//! Pipeline files: raw (serde, no logic), then checked, with every error at once.
//!
//! A file goes this way:
//!
//! | file | knows |
//! |---|---|
//! | `tree` | YAML text to a tree with places, within bounds |
//! | `variables`, `overrides` | environment variables and `--set` in the tree |
//! | `raw`, `schema`, `shape` | the types; their JSON Schema; the tree against it, as JSON |
//! | `validate`, `models`, `statements`, `sql` | what only a reader of the whole sees: names that refer to nothing, files that are not there, SQL that could not give the same answer twice |
//! | `problem`, `nearest` | an error with its place; the name that was meant |
//!
//! Knows nothing of how stages work. Never shows a value that came from the environment.

mod models;
mod nearest;
mod overrides;
mod problem;
pub mod raw;
mod schema;
mod shape;
pub mod splink;
pub mod sql;
mod statements;
mod tree;
mod validate;
mod variables;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::tables::SqlTable;
use problem::{Place, Problem, Sources};
use tree::Node;

pub(crate) use nearest::suggestion;
pub use schema::{documentation, json_schema};

/// A pipeline file that has been read and whose shape is right.
pub struct Loaded {
    /// The pipeline.
    pub pipeline: raw::Pipeline,
    /// The file, as it was named.
    pub file: PathBuf,
    /// Its folder: what contracts and SQL files are relative to.
    pub directory: PathBuf,
    /// The file's text as it was written, without variables or `--set`.
    pub text: String,
    /// The whole document, variables and `--set` put in. It may hold secrets of the environment.
    pub document: Json,
    /// What of the document decides results: defaults filled in; without `inputs` and without the
    /// paths of files, whose contents decide. Part of a run's identity, to be hashed and not shown:
    /// it may hold secrets too. Keys are in the file's order, defaults after them.
    pub hash_material: Json,
    tree: Node,
    sources: Sources,
}

/// Names that a pipeline may refer to and that other modules offer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Types of comparison.
    pub comparisons: &'a [&'a str],
    /// Survivorship rules.
    pub survivorship: &'a [&'a str],
    /// Computations of tables.
    pub computations: &'a [&'a str],
    /// SQL functions, the engine's own among them; empty where they are left to the planner.
    pub functions: &'a [&'a str],
    /// Parameters that SQL may read beside the pipeline's own, without the dollar.
    pub parameters: &'a [&'a str],
    /// Tables that SQL may read beside those that the pipeline and the house make.
    pub tables: &'a [&'a str],
}

impl Loaded {
    /// Checks what the shape does not show: names, files, numbers and SQL.
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn check(&self, known: &Known<'_>) -> Result<()> {
        validate::check(self, known)
    }

    /// The place of a file that the pipeline names: relative to the pipeline file's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.join(relative)
    }

    /// The SQL of a table, from the pipeline itself or from the file that it names.
    ///
    /// # Errors
    /// The file cannot be read, or neither or both are given, which [`Loaded::check`] shows in place.
    pub fn statement(&self, name: &str, table: &SqlTable) -> Result<String> {
        match (&table.sql, &table.file) {
            (Some(sql), None) => Ok(sql.clone()),
            (None, Some(file)) => std::fs::read_to_string(self.path(file)).map_err(|error| {
                Error::configuration(format!("cannot read the SQL of the table {name}"))
                    .help("its `file` is relative to the pipeline file's folder")
                    .because(error)
            }),
            _ => Err(Error::configuration(format!("the table {name} needs `sql` or `file`"))
                .help("give one of them")),
        }
    }
}

/// The first kind of a file's `resolve` section, with its settings; the file may hold other keys.
///
/// # Errors
/// A file that cannot be read, or whose `resolve` section is none.
pub fn resolution(path: &Path) -> Result<(String, crate::resolve::Resolve)> {
    #[derive(Deserialize)]
    struct Section {
        resolve: indexmap::IndexMap<String, crate::resolve::Resolve>,
    }
    let wrong = |what: &str| {
        Error::configuration(format!("{}: {what}", path.display()))
            .help("it needs `resolve:` with a kind, as in a pipeline file")
    };
    let text = std::fs::read_to_string(path).map_err(|_| wrong("cannot be read"))?;
    let section: Section =
        serde_saphyr::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    section.resolve.into_iter().next().ok_or_else(|| wrong("`resolve` names no kind"))
}

/// Reads a pipeline file, puts in variables and `--set` arguments (`KEY=VALUE`), and checks its
/// shape. What refers to other parts or files is checked by [`Loaded::check`].
///
/// # Errors
/// A file that cannot be read, or all that is wrong with it at once, each with its place.
pub fn load(
    path: &Path,
    sets: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded> {
    let unreadable = |error: std::io::Error| {
        Error::configuration(format!("cannot read the pipeline file {}", path.display()))
            .help("name a pipeline file; `simurgh init DIR` writes one to begin with")
            .because(error)
    };
    // Asked before it is read: a mistaken name may be that of an export of many gigabytes.
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > tree::MAX_BYTES as u64 {
        let what = format!("the pipeline file {} is larger than 4 MiB", path.display());
        return Err(Error::configuration(what).help("is it a pipeline file?"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Error::configuration(format!("{}:{line}: this is not UTF-8", path.display()))
            .help("save the file as UTF-8")
    })?;
    load_text(&text, path, sets, environment)
}

/// [`load`], of text that is already here; `path` names it and gives its folder.
pub(crate) fn load_text(
    text: &str,
    path: &Path,
    sets: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    // A byte-order mark is no part of the document, and would move every column of line 1.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = sources.add(&path.display().to_string(), text);
    let Some(mut tree) = tree::parse(text, file, &mut problems) else {
        return Err(problem::into_error(problems, &sources));
    };
    variables::substitute(&mut tree, environment, &sources, &mut problems);
    overrides::apply(&mut tree, sets, &mut sources, &mut problems);
    let schema = schema::of_pipeline();
    let document = shape::check(&tree, &schema, &mut problems);
    if !problems.is_empty() {
        return Err(problem::into_error(problems, &sources));
    }
    // serde's own words may quote a value: they are not passed on. The shape has been checked, so
    // this is a difference between the schema and the types.
    let pipeline = raw::Pipeline::deserialize(&document).map_err(|_| {
        let place = Place { source: file, start: 0, end: 0 };
        let message = "this pipeline has a value that cannot be read";
        let help = "compare it with docs/configuration.md; this message should name the key: please report it";
        problem::into_error(vec![Problem::new(place, message, "", help)], &sources)
    })?;
    let mut hash_material = document.clone();
    schema::fill_defaults(&mut hash_material, &schema);
    forget_places(&mut hash_material);
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Loaded {
        pipeline,
        file: path.to_owned(),
        directory,
        text: text.to_owned(),
        document,
        hash_material,
        tree,
        sources,
    })
}

/// Takes out what only says where things are: `inputs`, and the paths of contracts, SQL files and
/// models, whose contents are part of a run's identity instead.
fn forget_places(document: &mut Json) {
    let Some(keys) = document.as_object_mut() else { return };
    keys.shift_remove("inputs");
    // What stops a run changes nothing of what it makes.
    keys.shift_remove("gate");
    keys.shift_remove("drift");
    let named =
        [("sources", "contract"), ("facts", "file"), ("enrich", "file"), ("profile", "file")];
    for (section, key) in named {
        for entry in keys.get_mut(section).and_then(Json::as_object_mut).into_iter().flatten() {
            if let Some(entry) = entry.1.as_object_mut() {
                entry.shift_remove(key);
            }
        }
    }
    for (_, resolve) in keys.get_mut("resolve").and_then(Json::as_object_mut).into_iter().flatten()
    {
        for (section, key) in [("training", "model"), ("thresholds", "sample")] {
            if let Some(section) = resolve.get_mut(section).and_then(Json::as_object_mut) {
                section.shift_remove(key);
            }
        }
    }
    if let Some(land) = keys.get_mut("land").and_then(Json::as_object_mut) {
        land.shift_remove("contracts");
        land.shift_remove("retain_runs");
    }
}
