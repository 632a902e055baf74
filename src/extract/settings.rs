//! What a pipeline says about a source: where its exports are, how they are read, what is tolerated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::limit::Limit;

/// One source of a pipeline: `sources.<name>`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where the day's export is, relative to `inputs`: a path or glob; `{date}` is the logical date (YYYY-MM-DD).
    pub path: String,
    /// The data contract (ODCS 3.1 YAML), relative to the pipeline file.
    pub contract: String,
    /// How the file is written; what is left out is taken from the file's name and content.
    #[serde(default)]
    pub format: Format,
    /// What one day's export holds.
    pub load: LoadMode,
    /// The time zone of times that carry none (IANA name).
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How old the newest export may be, in days before the logical date; 0: it must be of the day.
    #[serde(default)]
    pub freshness: u16,
    /// How many of the earlier records a day may remove: a count, or a share such as `10%`.
    #[serde(default = "ten_percent")]
    pub max_removed: Limit,
    /// How many rows may be quarantined: a count, or a share such as `5%`.
    #[serde(default = "five_percent")]
    pub max_quarantined: Limit,
    /// What a column that the contract does not name gives.
    #[serde(default)]
    pub extra_columns: ExtraColumns,
    /// Whether a day without rows is in order.
    #[serde(default)]
    pub allow_empty: bool,
    /// Whether a day without any export is in order (the source then keeps its earlier rows).
    #[serde(default)]
    pub optional: bool,
    /// Whose a row is: for each source of records that it may be of, SQL expressions over the row
    /// that each give a record's id, or null. Needed to forget people, and to keep them out.
    #[serde(default)]
    pub subject: indexmap::IndexMap<String, Vec<String>>,
    /// The largest size of one file, in bytes, after decompression.
    #[serde(default = "four_gib")]
    pub max_bytes: u64,
}

impl Source {
    /// Whose a row is: sources of records, each with an expression that gives the record's id.
    pub fn subjects(&self) -> impl Iterator<Item = (&str, &str)> {
        self.subject
            .iter()
            .flat_map(|(of, all)| all.iter().map(move |sql| (of.as_str(), sql.as_str())))
    }
}

fn utc() -> String {
    "UTC".to_owned()
}
fn ten_percent() -> Limit {
    Limit::Share(0.10)
}
fn five_percent() -> Limit {
    Limit::Share(0.05)
}
fn four_gib() -> u64 {
    4 << 30
}

/// What one day's export of a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// All records: one that is absent has been removed.
    Snapshot,
    /// New and changed records, by key.
    Delta,
    /// New records only; a key that was seen before with the same content is not read again.
    Append,
}

/// What a column that the contract does not name gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumns {
    /// An error before anything is read.
    #[default]
    Refuse,
    /// A warning in the run results; the column is not read.
    Ignore,
}

/// How an export is written. Every part left out is detected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The kind of file; else by the file's name, without the ending of a compression.
    #[serde(rename = "type")]
    pub kind: Option<FormatKind>,
    /// CSV: the field delimiter, one character; else the likeliest of `,` `;` tab and `|` in the header.
    pub delimiter: Option<char>,
    /// CSV: the quote character; else `"`.
    pub quote: Option<char>,
    /// Text: the encoding (WHATWG label); else a byte-order mark, else detected.
    pub encoding: Option<String>,
    /// The compression; else by the file's first bytes.
    pub compression: Option<Compression>,
    /// XLSX: the sheet; else the first.
    pub sheet: Option<String>,
}

/// The kinds of file that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatKind {
    /// Delimited text with a header line.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// Office Open XML spreadsheet.
    Xlsx,
}

/// Compressions of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// None.
    None,
    /// gzip (one or more members).
    Gzip,
    /// Zstandard.
    Zstd,
}
