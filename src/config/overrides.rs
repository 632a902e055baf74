//! `--set a.b.c=value`: changes to the tree before it is checked.
//!
//! A change is checked like what stands in the file, and its problems point into the argument
//! itself; so an unknown key here is found by the same walk, with the same proposals.

use super::problem::{Place, Problem, Sources};
use super::tree::{self, Entry, Node, Value};

/// Applies `KEY=VALUE` arguments in their order. A key is a path of keys and list indexes (from 0)
/// joined by dots; mappings on the way that are absent are made. The value is YAML: a plain word,
/// a number, `[a, b]`, or nothing for an empty text.
pub(crate) fn apply(
    root: &mut Node,
    sets: &[String],
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) {
    for set in sets {
        let source = sources.add("--set", set);
        let whole = Place { source, start: 0, end: set.len() };
        let Some((path, value)) = set.split_once('=') else {
            problems.push(Problem::new(
                whole,
                "`--set` takes KEY=VALUE",
                "no `=`",
                "for example `--set resolve.person.thresholds.merge=0.95`",
            ));
            continue;
        };
        let place = Place { start: path.len() + 1, ..whole };
        if let Some(value) = parse_value(value, place, problems) {
            put(root, path, value, source, problems);
        }
    }
}

/// The value with every place moved to where it stands in the argument.
fn parse_value(text: &str, place: Place, problems: &mut Vec<Problem>) -> Option<Node> {
    if text.trim().is_empty() {
        let style = serde_saphyr::granit_parser::ScalarStyle::DoubleQuoted;
        let empty = tree::Scalar { text: String::new(), written: None, style };
        return Some(Node { value: Value::Scalar(empty), place });
    }
    let mut found = Vec::new();
    let mut node = tree::parse(text, place.source, &mut found);
    for problem in &mut found {
        shift(&mut problem.place, place.start);
    }
    problems.append(&mut found);
    if let Some(node) = &mut node {
        shift_all(node, place.start);
    }
    node
}

fn shift(place: &mut Place, by: usize) {
    place.start += by;
    place.end += by;
}

fn shift_all(node: &mut Node, by: usize) {
    shift(&mut node.place, by);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift_all(item, by)),
        Value::Map(entries) => {
            for entry in entries {
                shift(&mut entry.key_place, by);
                shift_all(&mut entry.value, by);
            }
        }
        Value::Scalar(_) => {}
    }
}

fn put(root: &mut Node, path: &str, value: Node, source: usize, problems: &mut Vec<Problem>) {
    let mut node = root;
    let mut start = 0;
    for step in path.split('.') {
        let place = Place { source, start, end: start + step.len() };
        start = place.end + 1;
        // Nothing, as in `facts:`, becomes a mapping.
        if node.scalar().is_some_and(|scalar| scalar.json().is_null()) {
            node.value = Value::Map(Vec::new());
        }
        node = match &mut node.value {
            Value::List(items) => {
                let length = items.len();
                let Some(item) = step.parse::<usize>().ok().and_then(|index| items.get_mut(index))
                else {
                    let help = match length {
                        0 => "the list is empty: set the whole list".to_owned(),
                        n => format!("the list has items 0 to {}", n - 1),
                    };
                    let message = format!("`{step}` is not an item of the list");
                    problems.push(Problem::new(place, message, "", help));
                    return;
                };
                item
            }
            Value::Map(entries) => {
                let known = entries.iter().position(|entry| entry.key == step);
                let index = known.unwrap_or_else(|| {
                    let key = step.to_owned();
                    let value = Node { value: Value::Map(Vec::new()), place };
                    entries.push(Entry { key, key_place: place, value });
                    entries.len() - 1
                });
                &mut entries[index].value
            }
            Value::Scalar(_) => {
                let message = format!("there is nothing beneath this: `{step}` cannot be set");
                problems.push(Problem::new(place, message, "", "set the key before it"));
                return;
            }
        };
    }
    *node = value;
}
