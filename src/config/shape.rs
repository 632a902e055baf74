//! A tree against the JSON Schema of pipelines: unknown, missing and mistyped keys, all at once.
//!
//! Knows the part of JSON Schema that the generator writes for our types, and no pipeline. Gives the
//! document as JSON, typed by the schema: a variable that holds `2026` is text where text is asked.

use serde_json::{Map, Value as Json};
use serde_saphyr::granit_parser::ScalarStyle;

use super::nearest::{nearest, suggestion};
use super::problem::{Place, Problem};
use super::schema::{names, resolve};
use super::tree::{Entry, Node, Scalar, Value};
use crate::extract::Limit;

/// Checks a whole document; gives it as JSON, which is right only where no problem was added.
pub(crate) fn check(node: &Node, root: &Json, problems: &mut Vec<Problem>) -> Json {
    Walk { root, problems }.node(node, root)
}

struct Walk<'a> {
    root: &'a Json,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, schema: &Json) -> Json {
        let reference = schema.get("$ref").and_then(Json::as_str).unwrap_or("");
        let schema = resolve(schema, self.root);
        if let Some(choices) = schema.get("anyOf").and_then(Json::as_array) {
            return self.any_of(node, choices, reference);
        }
        let allowed = names(schema);
        if !allowed.is_empty() {
            return self.name(node, &allowed, schema);
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Json::String(kind)) => vec![kind.as_str()],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        match &node.value {
            Value::Map(entries) if kinds.contains(&"object") => self.mapping(node, entries, schema),
            Value::List(items) if kinds.contains(&"array") => {
                let items_schema = schema.get("items").unwrap_or(&Json::Null);
                Json::Array(items.iter().map(|item| self.node(item, items_schema)).collect())
            }
            Value::Scalar(scalar) if !kinds.is_empty() => {
                self.scalar(node.place, scalar, &kinds, schema)
            }
            _ if kinds.is_empty() => anything(node),
            _ => {
                self.mistyped(node, &kinds, schema);
                Json::Null
            }
        }
    }

    fn mapping(&mut self, node: &Node, entries: &[Entry], schema: &Json) -> Json {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let others = schema.get("additionalProperties");
        let mut document = Map::new();
        let mut meant = Vec::new();
        for entry in entries {
            let property =
                properties.get(&entry.key).or(others.filter(|schema| schema.is_object()));
            if let Some(property) = property {
                document.insert(entry.key.clone(), self.node(&entry.value, property));
            } else if others == Some(&Json::Bool(false)) {
                meant.extend(nearest(&entry.key, &known).filter(|key| node.get(key).is_none()));
                self.unknown_key(entry, node, &known);
            }
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        for key in required.filter_map(Json::as_str) {
            // One that is there in another spelling has its problem already.
            if node.get(key).is_none() && !meant.contains(&key) {
                let help = self.help_for_missing(key, properties.get(key));
                let place = entries.first().map_or(node.place, |entry| entry.key_place);
                let message = format!("the key `{key}` is missing");
                self.problems.push(Problem::new(place, message, "in this mapping", help));
            }
        }
        Json::Object(document)
    }

    fn unknown_key(&mut self, entry: &Entry, node: &Node, known: &[&str]) {
        let message = format!("unknown key `{}`", entry.key);
        let help = if entry.key == "<<" {
            "merge keys are not part of YAML 1.2: repeat the keys, or use an alias for a whole value"
                .to_owned()
        } else {
            match nearest(&entry.key, known) {
                // Two spellings side by side in the file; a `--set` means the one that is there.
                Some(near) if given_beside(node, near, entry) => {
                    format!("`{near}` is here already; known keys: {}", known.join(", "))
                }
                _ => suggestion(&entry.key, known, "known keys"),
            }
        };
        self.problems.push(Problem::new(entry.key_place, message, "", help));
    }

    fn help_for_missing(&self, key: &str, property: Option<&Json>) -> String {
        let Some(property) = property else { return format!("add `{key}:`") };
        let allowed = names(resolve(property, self.root));
        let meaning = property.get("description").and_then(Json::as_str).map(first_sentence);
        match (meaning, allowed.as_slice()) {
            (Some(meaning), []) => format!("add `{key}:` {meaning}"),
            (Some(meaning), names) => {
                format!("add `{key}:` {meaning} One of: {}", names.join(", "))
            }
            (None, _) => format!("add `{key}:`"),
        }
    }

    /// The first alternative that fits. Where none does and one alone is not null, its problems are
    /// the ones to show.
    fn any_of(&mut self, node: &Node, choices: &[Json], reference: &str) -> Json {
        let mut attempts = Vec::new();
        for choice in choices {
            let mut problems = Vec::new();
            let document = Walk { root: self.root, problems: &mut problems }.node(node, choice);
            if problems.is_empty() {
                if reference.ends_with("/Limit") && !is_limit(&document) {
                    break;
                }
                return document;
            }
            if choice.get("type").and_then(Json::as_str) != Some("null") {
                attempts.push(problems);
            }
        }
        if reference.ends_with("/Limit") {
            let message = "expected a number of rows, or a share of them from 0% to 100%";
            self.problems.push(Problem::new(node.place, message, "", "for example `100` or `5%`"));
        } else if attempts.len() == 1 {
            self.problems.extend(attempts.into_iter().flatten());
        } else {
            let message = format!("expected a single value, found {}", found(node));
            let help = "write a number, a text, `true` or `false`";
            self.problems.push(Problem::new(node.place, message, "", help));
        }
        Json::Null
    }

    fn name(&mut self, node: &Node, allowed: &[&str], schema: &Json) -> Json {
        let Some(scalar) = node.scalar() else {
            self.mistyped(node, &["string"], schema);
            return Json::Null;
        };
        if allowed.contains(&scalar.text.as_str()) {
            return Json::String(scalar.text.clone());
        }
        let message = format!("unknown value `{}`", short(scalar.shown()));
        let help = match nearest(&scalar.text, allowed) {
            Some(near) if scalar.written.is_none() => format!("did you mean `{near}`?"),
            _ => format!("one of: {}", allowed.join(", ")),
        };
        self.problems.push(Problem::new(node.place, message, "", help));
        Json::Null
    }

    fn scalar(&mut self, place: Place, scalar: &Scalar, kinds: &[&str], schema: &Json) -> Json {
        let value = scalar.json();
        let value = match value {
            // A text that came from a variable is what its place asks for.
            ref other if kinds.contains(&"string") && !other.is_string() => {
                if scalar.written.is_some() { Json::String(scalar.text.clone()) } else { value }
            }
            Json::String(ref text) if scalar.written.is_some() && !kinds.contains(&"string") => {
                let style = ScalarStyle::Plain;
                let text = text.trim().to_owned();
                Scalar { text, written: None, style }.json()
            }
            other => other,
        };
        let fits = kinds.iter().any(|kind| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            _ => false,
        });
        if !fits {
            let node = Node { value: Value::Scalar(scalar.clone()), place };
            self.mistyped(&node, kinds, schema);
            return Json::Null;
        }
        if let Some((message, help)) = bounds(&value, schema) {
            self.problems.push(Problem::new(place, message, "", help));
        }
        value
    }

    fn mistyped(&mut self, node: &Node, kinds: &[&str], schema: &Json) {
        let kind = kinds.iter().find(|kind| **kind != "null").copied().unwrap_or("null");
        let message = format!("expected {}, found {}", title(kind), found(node));
        let plain = node.scalar().filter(|scalar| {
            scalar.written.is_none()
                && scalar.style == ScalarStyle::Plain
                && !scalar.text.is_empty()
        });
        let help = match (kind, plain) {
            ("string", Some(scalar)) => format!("put it in quotes: `\"{}\"`", short(&scalar.text)),
            ("array", Some(scalar)) => format!("a list of one: `[{}]`", short(&scalar.text)),
            ("boolean", Some(scalar)) if is_yes(&scalar.text) => "write `true`".to_owned(),
            ("boolean", Some(scalar)) if is_no(&scalar.text) => "write `false`".to_owned(),
            ("boolean", _) => "write `true` or `false`".to_owned(),
            (_, _) if found(node) == "nothing" => {
                "leave the key out, or give it a value".to_owned()
            }
            ("object", _) => self.help_for_mapping(schema),
            ("array", _) => "write `[a, b]`, or a line with `- ` for each item".to_owned(),
            ("integer", _) => "write digits without quotes".to_owned(),
            ("number", _) => "write a number without quotes, such as `0.5`".to_owned(),
            _ => schema.get("description").and_then(Json::as_str).unwrap_or("").to_owned(),
        };
        self.problems.push(Problem::new(node.place, message, "", help));
    }

    fn help_for_mapping(&self, schema: &Json) -> String {
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(Json::as_object)
            .into_iter()
            .flat_map(|properties| properties.keys().map(String::as_str))
            .collect();
        match known.as_slice() {
            [] => "write a line `name: ...` for each, or leave the key out".to_owned(),
            known => format!("known keys: {}", known.join(", ")),
        }
    }
}

/// Whether `key` stands in a mapping, in the same text as `entry`.
fn given_beside(node: &Node, key: &str, entry: &Entry) -> bool {
    node.entry(key).is_some_and(|other| other.key_place.source == entry.key_place.source)
}

/// The bounds of a number or text that it does not keep: what is wrong and what would mend it.
fn bounds(value: &Json, schema: &Json) -> Option<(String, String)> {
    if let Some(number) = value.as_f64() {
        let least = schema.get("minimum").and_then(Json::as_f64);
        let most = schema.get("maximum").and_then(Json::as_f64).or_else(|| {
            let format = schema.get("format").and_then(Json::as_str);
            (format == Some("uint32")).then_some(f64::from(u32::MAX))
        });
        if let Some(least) = least.filter(|least| number < *least) {
            return Some(("this number is too small".into(), format!("the least is {least}")));
        }
        if let Some(most) = most.filter(|most| number > *most) {
            return Some(("this number is too large".into(), format!("the most is {most}")));
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let least = schema.get("minLength").and_then(Json::as_u64).unwrap_or(0);
        let most = schema.get("maxLength").and_then(Json::as_u64).unwrap_or(u64::MAX);
        if least == 1 && most == 1 && length != 1 {
            let help = "in double quotes `\"\\t\"` is a tab".to_owned();
            return Some((format!("expected one character, found {length}"), help));
        }
        if length < least || length > most {
            return Some(("this text is too short or too long".into(), String::new()));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
            && let Ok(expression) = regex::Regex::new(pattern)
            && !expression.is_match(text)
        {
            return Some((
                "this text has not the form asked for".into(),
                format!("form: {pattern}"),
            ));
        }
    }
    None
}

/// A value that the schema leaves open, as it is.
pub(crate) fn anything(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => scalar.json(),
        Value::List(items) => Json::Array(items.iter().map(anything).collect()),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), anything(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

fn is_limit(document: &Json) -> bool {
    serde_json::from_value::<Limit>(document.clone()).is_ok()
}

fn is_yes(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "yes" | "on" | "y" | "1")
}

fn is_no(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "no" | "off" | "n" | "0")
}

/// What a kind of JSON Schema is to a reader.
fn title(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "nothing",
    }
}

/// What a node is to a reader.
fn found(node: &Node) -> &'static str {
    match &node.value {
        Value::Map(_) => "a mapping",
        Value::List(_) => "a list",
        Value::Scalar(scalar) => match scalar.json() {
            Json::Null => "nothing",
            Json::Bool(_) => "a truth value",
            Json::Number(number) if number.is_f64() => "a number with decimals",
            Json::Number(_) => "a number",
            _ => "text",
        },
    }
}

fn first_sentence(text: &str) -> &str {
    let text = text.lines().next().unwrap_or("");
    text.split_inclusive(". ").next().unwrap_or(text).trim_end()
}

/// At most 40 characters of the first line of a text as written.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= 40 && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let mut begin: String = line.chars().take(40).collect();
    begin.push_str("...");
    begin
}
