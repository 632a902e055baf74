//! The JSON Schema of pipeline files, made from the types, and what is made from it: the reference
//! of every key, and the defaults that are part of a run's identity.
//!
//! Knows JSON Schema as schemars writes it; the meaning of a key is its type's doc comment.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::raw::Pipeline;

/// The schema of a pipeline file.
pub(crate) fn of_pipeline() -> Json {
    let generated = schemars::schema_for!(Pipeline).to_value();
    let mut schema = Map::new();
    // What the file is comes before what is in it.
    for key in ["$schema", "title", "description"] {
        if let Some(value) = generated.get(key) {
            schema.insert(key.to_owned(), value.clone());
        }
    }
    schema.insert("title".to_owned(), json!("A simurgh pipeline"));
    for (key, value) in generated.as_object().into_iter().flatten() {
        if !schema.contains_key(key) {
            schema.insert(key.clone(), value.clone());
        }
    }
    Json::Object(schema)
}

/// `schemas/pipeline.schema.json`: for editors that complete and check YAML while it is written.
pub fn json_schema() -> String {
    format!("{:#}\n", of_pipeline())
}

/// What a `$ref` refers to; the schema itself where it refers to nothing.
pub(crate) fn resolve<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    let mut schema = schema;
    // The generator never makes a chain of references; the bound is for a hand-made schema.
    for _ in 0..8 {
        let target = schema
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer));
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// Adds to `value` every key that it leaves out and the schema has a default for. Keys that are
/// there, at whatever depth, keep their values and their order.
pub(crate) fn fill_defaults(value: &mut Json, root: &Json) {
    fill(value, root, root);
}

fn fill(value: &mut Json, schema: &Json, root: &Json) {
    let schema = resolve(schema, root);
    match value {
        Json::Object(given) => {
            let none = Map::new();
            let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
            for (key, property) in properties {
                if !given.contains_key(key)
                    && let Some(default) = default_of(property, root)
                {
                    given.insert(key.clone(), default);
                }
            }
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            for (key, inner) in given.iter_mut() {
                if let Some(inner_schema) = properties.get(key).or(others) {
                    fill(inner, inner_schema, root);
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(item, schema, root));
            }
        }
        _ => {}
    }
}

/// The default of a key: stated, or that of a mapping of which nothing is required.
fn default_of(property: &Json, root: &Json) -> Option<Json> {
    if let Some(default) = property.get("default") {
        return Some(default.clone());
    }
    let target = resolve(property, root);
    let whole = target.get("properties").is_some() && target.get("required").is_none();
    (whole && property.get("$ref").is_some()).then(|| json!({}))
}

/// `docs/configuration.md`: every key with its type, default and meaning.
pub fn documentation() -> String {
    let root = of_pipeline();
    let mut page = String::from(
        "# The pipeline file\n\n\
         <!-- Made from the types by `cargo test`; SIMURGH_UPDATE=1 writes it anew. -->\n\n\
         A pipeline is one YAML file. `${NAME}` in a value is an environment variable and \
         `${NAME:-default}` one with a default; `$$` is a dollar. `--set a.b.c=value` changes one \
         value for one run; a list's items are numbered from 0. Unknown keys are errors. Paths of \
         contracts and SQL files are relative to the pipeline file; `inputs` is relative to the \
         working directory.\n\n\
         Editors complete and check a pipeline by `schemas/pipeline.schema.json`.\n\n\
         ## The file\n\n",
    );
    let mut waiting = vec![("", &root)];
    let mut written: Vec<&str> = Vec::new();
    let mut index = 0;
    while let Some((name, schema)) = waiting.get(index).copied() {
        index += 1;
        if !name.is_empty() {
            let _ = writeln!(page, "## {name}\n");
        }
        if let Some(text) = schema.get("description").and_then(Json::as_str) {
            let _ = writeln!(page, "{}\n", one_line(text));
        }
        section(&mut page, schema);
        for inner in references(schema) {
            if !written.contains(&inner)
                && let Some(target) = root.pointer(&format!("/$defs/{inner}"))
            {
                written.push(inner);
                waiting.push((inner, target));
            }
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn section(page: &mut String, schema: &Json) {
    if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        let required: Vec<&str> = strings(schema.get("required"));
        for (key, property) in properties {
            let default = match property.get("default") {
                _ if required.contains(&key.as_str()) => "**required**".to_owned(),
                Some(default) if !default.is_null() => format!("`{default}`"),
                _ => String::new(),
            };
            let meaning = property.get("description").and_then(Json::as_str).unwrap_or("");
            let kind = kind_of(property);
            let _ = writeln!(page, "| `{key}` | {kind} | {default} | {} |", one_line(meaning));
        }
        page.push('\n');
    } else if let Some(choices) = schema.get("oneOf").and_then(Json::as_array) {
        for choice in choices {
            let meaning = choice.get("description").and_then(Json::as_str).unwrap_or("");
            for name in names(choice) {
                let _ = writeln!(page, "- `{name}`: {}", one_line(meaning));
            }
        }
        page.push('\n');
    }
}

/// The values that a schema of names allows.
pub(crate) fn names(schema: &Json) -> Vec<&str> {
    if let Some(name) = schema.get("const").and_then(Json::as_str) {
        return vec![name];
    }
    if let Some(choices) = schema.get("oneOf").and_then(Json::as_array) {
        let all: Vec<&str> = choices.iter().flat_map(names).collect();
        return if all.len() < choices.len() { Vec::new() } else { all };
    }
    strings(schema.get("enum"))
}

fn strings(list: Option<&Json>) -> Vec<&str> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// The type of a key, in a word, with a link where it has a section of its own.
fn kind_of(schema: &Json) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(alternatives).and_then(Json::as_array) {
            let kinds: Vec<String> = choices
                .iter()
                .filter(|choice| choice.get("type").and_then(Json::as_str) != Some("null"))
                .map(kind_of)
                .collect();
            return kinds.join(" or ");
        }
    }
    let kind = match schema.get("type") {
        Some(Json::Array(kinds)) => {
            kinds.iter().filter_map(Json::as_str).find(|kind| *kind != "null").unwrap_or("")
        }
        Some(Json::String(kind)) => kind.as_str(),
        _ => "",
    };
    match kind {
        "array" => format!("list of {}", schema.get("items").map_or(String::new(), kind_of)),
        "object" => match schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            Some(inner) => format!("by name: {}", kind_of(inner)),
            None => "mapping".to_owned(),
        },
        "string" if schema.get("maxLength") == Some(&json!(1)) => "character".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

/// The definitions that a schema refers to, in order.
fn references(schema: &Json) -> Vec<&str> {
    match schema {
        Json::Object(keys) => keys
            .iter()
            // A part's definitions are written when something refers to them.
            .filter(|(key, _)| *key != "$defs")
            .flat_map(|(key, value)| match value.as_str() {
                Some(reference) if key == "$ref" => {
                    vec![reference.rsplit('/').next().unwrap_or(reference)]
                }
                _ => references(value),
            })
            .collect(),
        Json::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Text for a table's cell.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
