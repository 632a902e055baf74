//! Keys by which records might be blocked: what a kind's comparisons and rules read, each in the
//! forms that survive the slips usual in it.
//!
//! Knows types of comparisons and SQL functions; refuses to know data. Which of the keys are any
//! good, `resolve::propose` finds out.

use crate::resolve::Resolve;

/// A key that might block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its SQL.
    pub sql: String,
    /// The column that it is a form of.
    pub column: String,
}

/// Forms of a column of a type of comparison; `{}` stands for the column.
fn forms(kind: &str, place: usize) -> &'static [&'static str] {
    match (kind, place) {
        ("person_name", 0) => &["{}", "nickname_root({})", "left({}, 3)"],
        ("person_name", _) => &["{}", "name_skeleton({})", "left({}, 4)"],
        ("full_name", _) => &["{}", "name_skeleton({})", "tokens({})"],
        ("date" | "date_difference", _) => &["{}", "left(CAST({} AS VARCHAR), 7)"],
        ("email", _) => &["{}", "email_user({})"],
        ("phone", _) => &["{}", "right({}, 7)"],
        ("organisation_name" | "free_text" | "tokens" | "cosine", _) => {
            &["{}", "left({}, 8)", "tokens({})"]
        }
        ("address" | "street_address", 0) => &["{}", "left({}, 8)"],
        (
            "jaro" | "jaro_winkler" | "levenshtein" | "damerau_levenshtein" | "character_jaccard",
            _,
        ) => &["{}", "left({}, 4)", "double_metaphone({})"],
        ("geographic_distance" | "numeric" | "numeric_difference", _) => &[],
        _ => &["{}"],
    }
}

/// The keys that a kind's settings suggest: forms of the columns of its comparisons, the keys of its
/// blocking rules, and what its merge rules hold the same.
pub fn candidates(settings: &Resolve) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |sql: String, column: &str| {
        if keys.iter().all(|known| known.sql != sql) {
            keys.push(Key { sql, column: column.to_owned() });
        }
    };
    let mut columns: Vec<&str> = Vec::new();
    for own in &settings.comparisons {
        for (place, column) in own.columns.iter().enumerate() {
            columns.push(column);
            for form in forms(&own.kind, place) {
                add(form.replace("{}", column), column);
            }
        }
    }
    let blocking = settings.blocking.iter().flat_map(|rule| &rule.keys);
    for sql in blocking.chain(settings.rules.iter().flat_map(|rule| &rule.same)) {
        // A key of a compared column is a form of it; of several, of the longest.
        let of = columns.iter().filter(|column| mentions(sql, column)).max_by_key(|own| own.len());
        add(sql.clone(), of.copied().unwrap_or(sql));
    }
    keys
}

/// Whether an expression names another as a whole word.
fn mentions(sql: &str, part: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    sql.match_indices(part).any(|(at, _)| {
        !sql[..at].chars().next_back().is_some_and(word)
            && !sql[at + part.len()..].chars().next().is_some_and(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_forms_of_the_columns_that_are_compared() {
        assert!(mentions("left(name, 2)", "name") && !mentions("full_name", "name"));
        let text = "blocking: [{name: b, keys: [soundex(family), city]}]\n\
                    comparisons: [{name: n, type: person_name, columns: [given, family]}]";
        let settings: Resolve = serde_saphyr::from_str(text).unwrap();
        let keys = candidates(&settings);
        let of = |sql: &str| keys.iter().find(|key| key.sql == sql).map(|key| key.column.as_str());
        assert_eq!(of("name_skeleton(family)"), Some("family"));
        assert_eq!((of("soundex(family)"), of("city")), (Some("family"), Some("city")));
        assert_eq!(keys.len(), 8);
    }
}
