//! `${NAME}` and `${NAME:-default}` in values, from the environment.
//!
//! Knows only text and names. Keys and comments are left alone, and so is `$name`, which is a
//! parameter in SQL; `$$` is a dollar. What is put in may be a secret: it never reaches a message.

use super::problem::{Place, Problem, Sources};
use super::tree::{Node, Scalar, Value};

/// Looks up a variable of the environment.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Puts variables into every value under `node`; each that is not set and has no default is a
/// problem at its place.
pub(crate) fn substitute(
    node: &mut Node,
    environment: &Environment<'_>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) {
    match &mut node.value {
        Value::List(items) => {
            for item in items {
                substitute(item, environment, sources, problems);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                substitute(&mut entry.value, environment, sources, problems);
            }
        }
        Value::Scalar(scalar) => {
            if let Some(text) = expand(scalar, node.place, environment, sources, problems) {
                scalar.written = Some(std::mem::replace(&mut scalar.text, text));
            }
        }
    }
}

/// The text with variables put in; nothing where there are none, or where one is wrong.
fn expand(
    scalar: &Scalar,
    place: Place,
    environment: &Environment<'_>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    if !scalar.text.contains("${") && !scalar.text.contains("$$") {
        return None;
    }
    let mut given = String::with_capacity(scalar.text.len());
    let mut rest = scalar.text.as_str();
    let mut wrong = false;
    while let Some(at) = rest.find('$') {
        given.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            given.push('$');
            rest = after;
            continue;
        }
        if !rest.starts_with("${") {
            given.push('$');
            rest = &rest[1..];
            continue;
        }
        let Some(length) = rest.find('}') else {
            problems.push(Problem::new(
                within(place, rest, sources),
                "a variable has no end",
                "begins here",
                "close it with `}`; `$${` is a plain `${`",
            ));
            return None;
        };
        let (name, default) = match rest[2..length].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&rest[2..length], None),
        };
        let written = &rest[..=length];
        rest = &rest[length + 1..];
        if !is_name(name) {
            wrong = true;
            problems.push(Problem::new(
                within(place, written, sources),
                "this is not the name of a variable",
                "",
                "write `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`",
            ));
            continue;
        }
        // As in a shell, `:-` stands in for an empty variable too.
        match (environment(name), default) {
            (Some(value), None) => given.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => given.push_str(&value),
            (_, Some(default)) => given.push_str(default),
            (None, None) => {
                wrong = true;
                problems.push(Problem::new(
                    within(place, written, sources),
                    format!("the variable {name} is not set"),
                    "",
                    format!("set it in the environment, or give a default: `${{{name}:-...}}`"),
                ));
            }
        }
    }
    given.push_str(rest);
    (!wrong).then_some(given)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Where `written` stands in the source of the value at `place`; the value's own place where
/// quoting or folding has changed it.
fn within(place: Place, written: &str, sources: &Sources) -> Place {
    let first_line = written.lines().next().unwrap_or("");
    match sources.slice(place).find(first_line) {
        Some(at) if !first_line.is_empty() => {
            let start = place.start + at;
            Place { start, end: start + first_line.len(), ..place }
        }
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use serde_saphyr::granit_parser::ScalarStyle;

    use super::*;

    fn expanded(text: &str) -> Option<String> {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/simurgh".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let scalar = Scalar { text: text.to_owned(), written: None, style: ScalarStyle::Plain };
        let mut sources = Sources::default();
        let place = Place { source: sources.add("test", text), start: 0, end: text.len() };
        expand(&scalar, place, &environment, &sources, &mut Vec::new())
    }

    #[test]
    fn variables_defaults_and_dollars() {
        let cases = [
            ("${HOME}/in", Some("/home/simurgh/in")),
            ("${NONE:-a b}", Some("a b")),
            ("${EMPTY:-else}", Some("else")),
            ("a${EMPTY}b", Some("ab")),
            ("${NONE:-}", Some("")),
            ("$${HOME} costs $$5", Some("${HOME} costs $5")),
            ("$name and $1", None),
            ("$name ${HOME}", Some("$name /home/simurgh")),
            ("${NONE}", None),
            ("${a b}", None),
            ("${HOME", None),
        ];
        for (text, expected) in cases {
            assert_eq!(expanded(text).as_deref(), expected, "{text}");
        }
    }
}
