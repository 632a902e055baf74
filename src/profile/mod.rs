//! What the customer 360 needs and SQL cannot say: named computations, a file each.
//!
//! A table of a pipeline that names one (`compute`) is made of the rows of its SELECT by a pure
//! function from Arrow to Arrow. The SELECT's rows come sorted by the computation's key, and every
//! float is summed in that order, so results do not depend on the order of the input. Knows what a
//! computation reads, gives and may be told; refuses to know which table or pipeline asks for it.

mod bg_nbd;
#[cfg(test)]
mod cdnow;
mod customer_value;
mod gamma_gamma;
mod k_means;
mod matrix;
mod micro_segments;
mod minimise;
mod pagerank;
mod personas;
mod prepare;
mod silhouette;
mod special;

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use indexmap::IndexMap;

use crate::error::{Error, Result};
use prepare::Input;

/// What a computation reads a column as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Any numeric type, read as a 64-bit float.
    Number,
}

/// A column that a computation reads.
#[derive(Debug)]
pub(crate) struct Column {
    name: &'static str,
    kind: Kind,
    /// Whether null is refused.
    required: bool,
    meaning: &'static str,
}

/// A column that a computation gives.
#[derive(Debug)]
pub(crate) struct Output {
    name: &'static str,
    data_type: DataType,
    nullable: bool,
    meaning: &'static str,
}

/// A number that a pipeline may give a computation, under `settings`.
#[derive(Debug)]
pub(crate) struct Setting {
    name: &'static str,
    default: f64,
    least: f64,
    most: f64,
    whole: bool,
    meaning: &'static str,
}

/// One computation.
pub struct Computation {
    /// Its name, in a table's `compute`.
    pub name: &'static str,
    /// What it computes, in a few sentences.
    pub summary: &'static str,
    /// The columns that it reads, in order.
    input: &'static [Column],
    /// What every other column of the SELECT is read as, where it may have others: numbers.
    features: Option<&'static str>,
    /// The columns that sort its input; no two rows share all of them.
    key: &'static [&'static str],
    settings: &'static [Setting],
    output: &'static [Output],
    compute: fn(&Input, &Settings) -> Result<Computed>,
}

/// Every computation, sorted by name.
pub const COMPUTATIONS: &[Computation] = &[
    customer_value::COMPUTATION,
    micro_segments::COMPUTATION,
    pagerank::COMPUTATION,
    personas::COMPUTATION,
];

/// The settings of one computation, each given or its default.
#[derive(Debug, Clone)]
pub struct Settings(Vec<(&'static str, f64)>);

impl Settings {
    fn number(&self, name: &str) -> Result<f64> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value).ok_or_else(|| Error::bug(format!("no setting `{name}`")))
    }

    fn count(&self, name: &str) -> Result<usize> {
        Ok(self.number(name)? as usize)
    }
}

/// What a computation gives.
#[derive(Debug, Clone)]
pub struct Computed {
    /// The table's rows.
    pub rows: RecordBatch,
    /// What was found on the way, such as a model's parameters: numbers of all customers, none of
    /// one.
    pub findings: Vec<(&'static str, f64)>,
    /// What the reader of the table should know.
    pub warnings: Vec<&'static str>,
}

impl Computation {
    /// The computation of this name.
    pub fn find(name: &str) -> Option<&'static Computation> {
        COMPUTATIONS.iter().find(|computation| computation.name == name)
    }

    /// The names of its settings.
    pub fn setting_names(&self) -> Vec<&'static str> {
        self.settings.iter().map(|setting| setting.name).collect()
    }

    /// The columns that its input is to be sorted by.
    pub fn key(&self) -> &'static [&'static str] {
        self.key
    }

    /// Its settings, of those that a pipeline gives; `what` is the table.
    ///
    /// # Errors
    /// Configuration: a name that it does not have, or a number out of range.
    pub fn settings(&self, given: &IndexMap<String, f64>, what: &str) -> Result<Settings> {
        if let Some(name) = given.keys().find(|name| !self.setting_names().contains(&name.as_str()))
        {
            let message = format!("{what}.settings: `{}` has no setting `{name}`", self.name);
            let names = self.setting_names().join(", ");
            return Err(Error::configuration(message).help(format!("its settings: {names}")));
        }
        let settings = self.settings.iter().map(|setting| {
            let value = given.get(setting.name).copied().unwrap_or(setting.default);
            let Setting { name, least, most, whole, .. } = setting;
            let fits = (*least..=*most).contains(&value) && (!whole || value.fract() == 0.0);
            let number = if *whole { "whole number" } else { "number" };
            fits.then_some((*name, value)).ok_or_else(|| {
                Error::configuration(format!("{what}.settings.{name}: out of range"))
                    .help(format!("give a {number} from {least} to {most}"))
            })
        });
        settings.collect::<Result<Vec<_>>>().map(Settings)
    }

    /// The columns of its table, for a SELECT with these columns; `what` is the table.
    ///
    /// # Errors
    /// Configuration: a column that it reads is not there or of another type, or one is there
    /// that it does not read.
    pub fn output(&self, input: &Schema, what: &str) -> Result<SchemaRef> {
        prepare::check(self, input, what)?;
        Ok(self.schema())
    }

    fn schema(&self) -> SchemaRef {
        let field = |o: &Output| Field::new(o.name, o.data_type.clone(), o.nullable);
        Arc::new(Schema::new(self.output.iter().map(field).collect::<Vec<_>>()))
    }

    /// Computes the table of the SELECT's rows, which are sorted by [`Computation::key`].
    ///
    /// # Errors
    /// Data: two rows share the key, a value is missing or is one that cannot be.
    pub fn run(&self, input: &RecordBatch, settings: &Settings, what: &str) -> Result<Computed> {
        let input = prepare::input(self, input, what)?;
        (self.compute)(&input, settings)
    }

    /// A batch of its output's columns.
    fn batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema(), columns)
            .map_err(|_| Error::bug(format!("{}: does not give what it says", self.name)))
    }
}

/// The documentation of all computations as Markdown: `docs/computations.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Computations\n\n\
         What SQL cannot say. A table under `facts`, `enrich` or `profile` that names one is made \
         of the rows of its SELECT:\n\n\
         ```yaml\n\
         profile:\n  \
           customer_value:\n    \
             key: [golden_id]\n    \
             file: customer360/customer_value.sql   # what is read\n    \
             compute: customer_value                # what is computed of it\n    \
             settings: {sample: 20000}              # only where a default does not suit\n\
         ```\n\n\
         Later SQL reads the table as any other. Rows are sorted by the computation's key before \
         anything is computed, so results do not depend on the order of the SELECT's rows; numbers \
         of any type are read as 64-bit floats, and what is given is rounded to decimals.\n\n\
         Made from the table in `src/profile/mod.rs`; \
         `SIMURGH_UPDATE=1 cargo test --lib profile::` writes it anew.\n",
    );
    for computation in COMPUTATIONS {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n\n{}\n\n", computation.name, computation.summary);
        text.push_str("| reads | type | null | meaning |\n|---|---|---|---|\n");
        for column in computation.input {
            let key = if computation.key.contains(&column.name) { ", key" } else { "" };
            let kind = if column.kind == Kind::Text { "text" } else { "number" };
            let null = if column.required { "refused" } else { "allowed" };
            let _ =
                writeln!(text, "| {}{key} | {kind} | {null} | {} |", column.name, column.meaning);
        }
        if let Some(meaning) = computation.features {
            let _ = writeln!(text, "| *all others* | number | allowed | {meaning} |");
        }
        text.push_str("\n| gives | type | null | meaning |\n|---|---|---|---|\n");
        for column in computation.output {
            let null = if column.nullable { "where not known" } else { "never" };
            let kind = type_name(&column.data_type);
            let _ = writeln!(text, "| {} | {kind} | {null} | {} |", column.name, column.meaning);
        }
        if !computation.settings.is_empty() {
            text.push_str("\n| setting | default | range | meaning |\n|---|---|---|---|\n");
        }
        for Setting { name, default, least, most, meaning, .. } in computation.settings {
            let _ = writeln!(text, "| {name} | {default} | {least} to {most} | {meaning} |");
        }
    }
    text
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "text".to_owned(),
        DataType::Int64 => "whole number".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_unique_and_documented() {
        assert!(COMPUTATIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for computation in COMPUTATIONS {
            let name = computation.name;
            assert!(computation.summary.len() > 80 && computation.summary.ends_with('.'), "{name}");
            assert!(!computation.output.is_empty(), "{name}");
            let reads: Vec<&str> = computation.input.iter().map(|column| column.name).collect();
            assert!(computation.key.iter().all(|key| reads.contains(key)), "{name}");
            let meanings = computation.input.iter().map(|column| column.meaning);
            let meanings = meanings.chain(computation.output.iter().map(|column| column.meaning));
            let meanings = meanings.chain(computation.settings.iter().map(|s| s.meaning));
            for meaning in meanings.chain(computation.features) {
                assert!(meaning.len() > 8 && meaning.ends_with('.'), "{name}: {meaning}");
            }
            for setting in computation.settings {
                assert!((setting.least..=setting.most).contains(&setting.default), "{name}");
            }
        }
    }

    /// A file of this folder with a `COMPUTATION` is in the table, under the file's name.
    #[test]
    fn the_table_is_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/profile");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                std::fs::read_to_string(path).unwrap().contains("const COMPUTATION: Computation")
            })
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name != "mod")
            .collect();
        names.sort();
        assert_eq!(names, COMPUTATIONS.iter().map(|c| c.name).collect::<Vec<_>>());
    }

    #[test]
    fn settings_out_of_range_or_unknown_are_refused() {
        let computation = Computation::find("pagerank").unwrap();
        let settings = |name: &str, value: f64| {
            computation.settings(&IndexMap::from([(name.to_owned(), value)]), "enrich.ranks")
        };
        assert_eq!(settings("damping", 0.5).unwrap().number("damping").unwrap(), 0.5);
        let error = settings("damping", 1.5).unwrap_err();
        assert_eq!(error.to_string(), "enrich.ranks.settings.damping: out of range");
        let error = settings("dampng", 0.5).unwrap_err();
        assert!(error.advice().unwrap().contains("damping"));
    }

    #[test]
    fn documentation_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/computations.md");
        if std::env::var_os("SIMURGH_UPDATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/computations.md: run with SIMURGH_UPDATE=1");
    }
}
