//! What a pipeline says about a source: where its exports are, how they are read, what is tolerated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The largest size of one file, in bytes, after decompression.
    #[serde(default = "four_gib")]
    pub max_bytes: u64,
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

/// A bound on a number of rows: absolute, or a share of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many rows.
    Rows(u64),
    /// A share of the rows, 0 to 1.
    Share(f64),
}

impl Limit {
    /// Whether `count` of `total` rows is past the bound.
    ///
    /// ```
    /// use simurgh::extract::Limit;
    /// assert!(!Limit::Share(0.05).exceeded(5, 100));
    /// assert!(Limit::Share(0.05).exceeded(6, 100));
    /// assert!(Limit::Rows(0).exceeded(1, 100));
    /// ```
    pub fn exceeded(self, count: u64, total: u64) -> bool {
        match self {
            Limit::Rows(limit) => count > limit,
            Limit::Share(share) => count as f64 > share * total as f64,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limit::Rows(n) => write!(f, "{n} rows"),
            Limit::Share(s) => write!(f, "{}%", s * 100.0),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Limit::Rows(rows) => serializer.serialize_u64(*rows),
            Limit::Share(share) => serializer.collect_str(&format_args!("{}%", share * 100.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Rows(u64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Rows(rows) => Ok(Limit::Rows(rows)),
            Raw::Text(text) => text
                .trim()
                .strip_suffix('%')
                .and_then(|number| number.trim().parse::<f64>().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(|percent| Limit::Share(percent / 100.0))
                .ok_or_else(|| {
                    D::Error::custom("expected a number of rows, or a share such as 5%")
                }),
        }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of rows, or a share such as `5%`.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^\\s*[0-9.]+\\s*%$"}
            ]
        })
    }
}
