//! Names for SQL and tables, of whatever a column is called.
//!
//! Knows which names are kept by SQL and by `records`; refuses to know what a column means.

/// Names that `records` has of its own.
const TAKEN: &[&str] = &[
    "source",
    "record_id",
    "kind",
    "created_at",
    "updated_at",
    "content_hash",
    "run_id",
    "golden_id",
    "member_count",
    "source_count",
    "first_seen",
    "last_updated",
    "_file",
    "_row",
];

/// Words that SQL keeps for itself, and cannot be a column's name unquoted.
const RESERVED: &[&str] = &[
    "all",
    "alter",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "check",
    "cluster",
    "column",
    "connect",
    "create",
    "cross",
    "current",
    "date",
    "delete",
    "desc",
    "distinct",
    "distribute",
    "drop",
    "else",
    "end",
    "except",
    "exclude",
    "exists",
    "explain",
    "false",
    "fetch",
    "final",
    "for",
    "format",
    "from",
    "full",
    "global",
    "group",
    "grouping",
    "hash",
    "having",
    "in",
    "inner",
    "insert",
    "interval",
    "into",
    "is",
    "join",
    "key",
    "lateral",
    "left",
    "like",
    "limit",
    "match_recognize",
    "minus",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "output",
    "over",
    "partition",
    "pivot",
    "prewhere",
    "primary",
    "qualify",
    "references",
    "return",
    "right",
    "row",
    "rows",
    "sample",
    "select",
    "semi",
    "set",
    "settings",
    "sort",
    "start",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "top",
    "trim",
    "true",
    "union",
    "unique",
    "unnest",
    "unpivot",
    "update",
    "use",
    "user",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
];

/// A name for SQL and tables: lower-case letters, digits and `_`, none of those that are kept.
pub fn plain_name(name: &str, taken: &[String]) -> String {
    let latin = super::names::words(name)
        .iter()
        .filter_map(|word| crate::functions::latin::text_latin(word))
        .collect::<Vec<_>>()
        .join("_")
        .replace(' ', "_");
    // A name that is plain already stays as it is: `addr1` is not `addr_1`.
    let is_plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut own = if is_plain(name) { name.to_owned() } else { latin };
    if !own.starts_with(|c: char| c.is_ascii_lowercase()) {
        own = format!("column_{own}").trim_end_matches('_').to_owned();
    }
    if TAKEN.contains(&own.as_str()) || RESERVED.contains(&own.as_str()) {
        own.push_str("_value");
    }
    let mut unique = own.clone();
    let mut number = 2;
    while taken.contains(&unique) {
        unique = format!("{own}_{number}");
        number += 1;
    }
    unique
}
