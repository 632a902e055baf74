//! The SQL functions of simurgh: names, scripts, phone, e-mail, address, dates, money.
//!
//! A function is a plain Rust function in a file of its own with its entry in [`FUNCTIONS`];
//! registration and `docs/functions.md` are made from the table. All are immutable, hold no state,
//! answer null to null and to what cannot be read, and never fail on a value. What they know is
//! languages and formats; they know no table, stage or setting.

use std::fmt::Write;

use datafusion::logical_expr::ScalarUDF;

pub mod address;
pub mod country;
pub mod currency;
pub mod date;
mod date_words;
pub mod distance;
pub mod email;
pub mod hash;
mod kernel;
pub mod latin;
mod letters;
pub mod minhash;
pub mod money;
pub mod names;
pub mod nickname;
pub mod organisation;
mod person_words;
pub mod phone;
pub mod phonemes;
pub mod phonetic;
pub mod postcode;
pub mod regular;
pub mod script;
pub mod similarity;
pub mod skeleton;
pub mod timestamp;
pub mod tokens;

/// One SQL function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name in SQL.
    pub name: &'static str,
    /// The heading under which it is documented.
    pub group: &'static str,
    /// Name and arguments, optional ones in square brackets.
    pub signature: &'static str,
    /// The type it gives, in words.
    pub returns: &'static str,
    /// What it gives, in a sentence or two.
    pub summary: &'static str,
    /// SQL expressions and what they give, as text; nothing for null.
    pub examples: &'static [(&'static str, &'static str)],
    /// Makes the function as DataFusion takes it.
    pub make: fn() -> ScalarUDF,
}

/// All functions, by name.
pub const FUNCTIONS: &[Function] = &[
    address::ADDRESS_NUMBER,
    address::ADDRESS_STREET,
    address::ADDRESS_UNIT,
    country::COUNTRY_CODE,
    currency::CURRENCY_CODE,
    similarity::DAMERAU_LEVENSHTEIN,
    date::DATE_IS_PLACEHOLDER,
    date::DATE_PARSE,
    script::DIGITS_ASCII,
    phonetic::DOUBLE_METAPHONE,
    email::EMAIL_DOMAIN,
    email::EMAIL_NORMALISE,
    email::EMAIL_USER,
    distance::GREAT_CIRCLE_KM,
    hash::HASH_TEXT,
    similarity::JACCARD_SIMILARITY,
    similarity::JARO_SIMILARITY,
    similarity::JARO_WINKLER_SIMILARITY,
    minhash::MINHASH_BANDS,
    money::MONEY_PARSE,
    similarity::NAME_SIMILARITY,
    skeleton::NAME_SKELETON,
    tokens::NGRAMS,
    nickname::NICKNAME_ROOT,
    organisation::ORGANISATION_NAME,
    names::PERSON_FAMILY_NAME,
    names::PERSON_GIVEN_NAME,
    names::PERSON_MIDDLE_NAME,
    names::PERSON_NAME_CLEAN,
    names::PERSON_TITLE,
    phone::PHONE_E164,
    phone::PHONE_KIND,
    phone::PHONE_NATIONAL,
    postcode::POSTCODE_NORMALISE,
    regular::REGEXP_EXTRACT,
    phonetic::SOUNDEX,
    script::TEXT_CLEAN,
    script::TEXT_FOLD,
    latin::TEXT_LATIN,
    timestamp::TIMESTAMP_PARSE,
    tokens::TOKENS,
];

/// The headings of the documentation, in order.
const GROUPS: &[&str] = &["text", "names", "e-mail", "phone", "place", "dates", "money", "other"];

/// Every function, ready to be registered with a session.
pub fn all() -> Vec<ScalarUDF> {
    FUNCTIONS.iter().map(|function| (function.make)()).collect()
}

/// The documentation of all functions as Markdown: `docs/functions.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# SQL functions\n\n\
         Beside DataFusion's own. All but those of numbers take text (numbers and dates are cast to it) in any script, \
         answer null to null and to what cannot be read, and never fail on a value.\n\n\
         Made from the table in `src/functions/mod.rs`; \
         `SIMURGH_UPDATE=1 cargo test --lib functions::` writes it anew.\n",
    );
    for group in GROUPS {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n", heading(group));
        for function in FUNCTIONS.iter().filter(|function| function.group == *group) {
            let Function { signature, returns, summary, examples, .. } = function;
            let _ = write!(text, "\n### `{signature}` → {returns}\n\n{summary}\n\n");
            text.push_str("| expression | gives |\n|---|---|\n");
            for (expression, gives) in *examples {
                let gives = if gives.is_empty() { "null".to_owned() } else { format!("`{gives}`") };
                let _ = writeln!(text, "| `{}` | {} |", escaped(expression), escaped(&gives));
            }
        }
    }
    text
}

fn heading(group: &str) -> String {
    let mut letters = group.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the functions are tried in a session of their own")]
mod tests {
    use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, RecordBatch, StringViewArray};
    use arrow::util::display::array_value_to_string;
    use datafusion::prelude::SessionContext;
    use std::sync::Arc;

    use super::*;

    fn session() -> SessionContext {
        let session = SessionContext::new();
        all().into_iter().for_each(|function| session.register_udf(function));
        session
    }

    async fn one(session: &SessionContext, expression: &str) -> ArrayRef {
        let query = format!("SELECT {expression} AS value");
        let batches = session.sql(&query).await.unwrap().collect().await.unwrap();
        batches[0].column(0).clone()
    }

    #[test]
    fn table_is_sorted_unique_and_documented() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for function in FUNCTIONS {
            let name = function.name;
            assert_eq!((function.make)().name(), name);
            assert!(function.signature.starts_with(&format!("{name}(")), "{name}");
            assert!(GROUPS.contains(&function.group), "{name}");
            assert!(function.summary.len() > 20 && function.summary.ends_with('.'), "{name}");
            assert!(!function.examples.is_empty(), "{name}");
            let mentioned = function.examples.iter().all(|(sql, _)| sql.contains(name));
            assert!(mentioned, "{name}");
        }
    }

    #[tokio::test]
    async fn every_example_gives_what_it_says() {
        let session = session();
        let mut wrong = Vec::new();
        for function in FUNCTIONS {
            for (expression, expected) in function.examples {
                let value = one(&session, expression).await;
                let text = array_value_to_string(&value, 0).unwrap();
                if text != *expected || value.is_null(0) != expected.is_empty() {
                    wrong.push(format!("{expression}: {text}, not {expected}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[tokio::test]
    async fn null_gives_null_in_the_type_documented() {
        let session = session();
        for function in FUNCTIONS {
            let name = function.name;
            let given = function.signature.split(['[', ')']).next().unwrap_or_default();
            let second = ", 2".repeat(given.matches(", ").count());
            let value = one(&session, &format!("{name}(NULL{second})")).await;
            assert_eq!(value.is_null(0), name != "hash_text", "{name}");
            let returns = match value.data_type().to_string().as_str() {
                "Utf8" => "text",
                "Float64" => "number",
                "Boolean" => "boolean",
                "Date32" => "date",
                "Decimal128(18, 2)" => "decimal(18, 2)",
                "Timestamp(µs, \"UTC\")" => "timestamp in UTC",
                "List(Utf8)" => "list of text",
                other => panic!("{name} gives {other}"),
            };
            assert_eq!(function.returns, returns, "{name}");
        }
    }

    #[tokio::test]
    async fn columns_of_every_text_type_are_taken() {
        let session = session();
        let values = [Some(" Ana "), None, Some("ana"), Some("ana"), Some("")];
        let batch = RecordBatch::try_from_iter([
            ("view", Arc::new(StringViewArray::from_iter(values)) as ArrayRef),
            ("large", Arc::new(LargeStringArray::from_iter(values)) as ArrayRef),
        ])
        .unwrap();
        session.register_batch("names", batch).unwrap();
        for column in ["view", "large", "arrow_cast(view, 'Dictionary(Int32, Utf8)')"] {
            let query =
                format!("SELECT text_fold({column}), phone_e164({column}, large) FROM names");
            let batches = session.sql(&query).await.unwrap().collect().await.unwrap();
            let folded: Vec<_> = batches[0].column(0).as_string::<i32>().iter().collect();
            assert_eq!(folded, [Some("ana"), None, Some("ana"), Some("ana"), None]);
            assert_eq!(batches[0].column(1).null_count(), 5);
        }
    }

    #[tokio::test]
    async fn wrong_arguments_are_refused_when_a_query_is_planned() {
        let session = session();
        for expression in
            ["text_fold()", "text_fold('a', 'b')", "text_fold([1])", "ngrams('a', 'b')"]
        {
            let planned = session.sql(&format!("SELECT {expression}")).await;
            assert!(planned.is_err(), "{expression}");
        }
    }

    #[test]
    fn documentation_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/functions.md");
        if std::env::var_os("SIMURGH_UPDATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/functions.md: run with SIMURGH_UPDATE=1");
    }
}
