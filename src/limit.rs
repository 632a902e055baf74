//! A bound that a pipeline sets: so many, or a share of all. Knows nothing of what is counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// use simurgh::limit::Limit;
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
