//! YAML text to a tree in which every key and value knows its place.
//!
//! Knows YAML, and bounds what a hostile or mistaken file may cost: bytes, depth, and nodes after
//! aliases. Knows nothing of what a pipeline is. serde stops at the first error and forgets places;
//! hence a tree of our own over the events of the parser that serde-saphyr is built on.

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::{Place, Problem};

/// The largest configuration file, in bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 64;
/// The largest number of keys and values, aliases counted as what they stand for.
const MAX_NODES: usize = 200_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

/// A text, a number, a truth value or nothing: which of them, the schema and the style decide.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// The text, variables put in.
    pub(crate) text: String,
    /// The text as written, where variables were put in: what may be shown.
    pub(crate) written: Option<String>,
    pub(crate) style: ScalarStyle,
}

impl Scalar {
    /// The value by YAML 1.2's core schema: only a plain scalar is other than text.
    pub(crate) fn json(&self) -> Json {
        if self.style != ScalarStyle::Plain {
            return Json::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Json::Null,
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            text => number(text).unwrap_or_else(|| Json::String(text.to_owned())),
        }
    }

    /// The text as it was written: safe to show.
    pub(crate) fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }
}

fn number(text: &str) -> Option<Json> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.starts_with("0x") || digits.starts_with("0o") {
        let radix = if digits.starts_with("0x") { 16 } else { 8 };
        return u64::from_str_radix(&digits[2..], radix).ok().map(Json::from);
    }
    // Only what begins like a number and holds nothing else: Rust would also take "inf" and "nan",
    // which JSON cannot hold.
    let begins = digits.strip_prefix('.').unwrap_or(digits);
    if !begins.starts_with(|c: char| c.is_ascii_digit())
        || !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
    {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Json::from(whole));
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(Json::from(whole));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from)
}

impl Node {
    /// The value of this key, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of this key, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node at a path of keys and list indexes; as far along it as there are nodes.
    pub(crate) fn along(&self, path: &[&str]) -> &Node {
        let mut node = self;
        for step in path {
            let next = match &node.value {
                Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// The scalar that this is, if it is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Keys and values in it, itself included; a long text counts as one for each 64 bytes.
    fn size(&self) -> usize {
        match &self.value {
            Value::Scalar(scalar) => 1 + scalar.text.len() / 64,
            Value::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|e| 1 + e.value.size()).sum::<usize>(),
        }
    }
}

/// Parses one YAML document; `source` is the number of `text` among the sources.
///
/// Duplicate keys are problems beside a tree (the first of them stays); a text that cannot be read
/// to its end gives one problem and no tree.
pub(crate) fn parse(text: &str, source: usize, problems: &mut Vec<Problem>) -> Option<Node> {
    let start = Place { source, start: 0, end: 0 };
    if text.len() > MAX_BYTES {
        problems.push(Problem::new(
            start,
            format!("the file is larger than {} MiB", MAX_BYTES >> 20),
            "",
            "move long SQL to files of its own: `file:` in place of `sql:`",
        ));
        return None;
    }
    let mut builder = Builder::new(text, source, problems);
    match builder.read() {
        Ok(Some(root)) => Some(root),
        Ok(None) => {
            problems.push(Problem::new(
                start,
                "the file is empty",
                "",
                "`simurgh init DIR` writes a pipeline to begin with",
            ));
            None
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

/// A list or mapping that is not yet closed.
struct Open {
    start: Place,
    anchor: usize,
    value: Value,
    /// In a mapping, the key that waits for its value.
    key: Option<(String, Place)>,
    /// In a mapping, the keys so far and the byte at which each begins.
    keys: FxHashMap<String, usize>,
}

/// Builds the tree without recursion, so that depth is a number here and not a stack overflow.
struct Builder<'a> {
    text: &'a str,
    source: usize,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    anchors: FxHashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, source: usize, problems: &'a mut Vec<Problem>) -> Self {
        let anchors = FxHashMap::default();
        Self { text, source, problems, open: Vec::new(), anchors, nodes: 0, root: None }
    }

    fn place(&self, span: &Span) -> Place {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        Place { source: self.source, start, end }
    }

    fn read(&mut self) -> Result<Option<Node>, Box<Problem>> {
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| {
                let start = error.marker().byte_offset().unwrap_or(0);
                let place = Place { source: self.source, start, end: start };
                let message = format!("this is not YAML: {}", error.info());
                let help = "check the indentation, and quote text that holds `: `, ` #` or begins with a \
                            sign of YAML's own";
                Box::new(Problem::new(place, message, "here", help))
            })?;
            let place = self.place(&span);
            match event {
                Event::DocumentStart(..) if self.root.is_some() => {
                    let help = "keep one pipeline a file: remove the `---`";
                    return Err(problem(place, "a second document begins here", help));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &span, place)?;
                    let scalar = Scalar { text: text.into_owned(), written: None, style };
                    self.add(Node { value: Value::Scalar(scalar), place }, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &span, place)?;
                    self.begin(place, anchor, Value::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &span, place)?;
                    self.begin(place, anchor, Value::Map(Vec::new()))?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(open) = self.open.pop() {
                        let place = Place { end: place.start.max(open.start.start), ..open.start };
                        self.add(Node { value: open.value, place }, open.anchor)?;
                    }
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor).cloned() else {
                        let help = "an alias can only stand after the whole of what it repeats";
                        return Err(problem(
                            place,
                            "this alias stands within its own anchor",
                            help,
                        ));
                    };
                    self.nodes += node.size();
                    self.add(node, 0)?;
                }
                _ => {}
            }
        }
        Ok(self.root.take())
    }

    fn refuse_tag(&self, tagged: bool, span: &Span, place: Place) -> Result<(), Box<Problem>> {
        let place = span.tag_span().map_or(place, |tag| self.place(&tag));
        let help = "remove the `!...`; text is quoted to stay text";
        if tagged { Err(problem(place, "tags have no meaning here", help)) } else { Ok(()) }
    }

    fn begin(&mut self, start: Place, anchor: usize, value: Value) -> Result<(), Box<Problem>> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("lists and mappings are nested deeper than {MAX_DEPTH}");
            return Err(problem(
                start,
                message,
                "a pipeline needs six levels: look for a bracket too many",
            ));
        }
        self.open.push(Open { start, anchor, value, key: None, keys: FxHashMap::default() });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file holds more than {MAX_NODES} keys and values");
            return Err(problem(node.place, message, "look for aliases that repeat aliases"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some((key, key_place)) => {
                    if let Some(first) = open.keys.get(&key) {
                        let line = line_of(self.text, *first);
                        self.problems.push(Problem::new(
                            key_place,
                            format!("the key `{key}` is given twice"),
                            "the second",
                            format!("the first is on line {line}: keep one of them"),
                        ));
                    } else {
                        open.keys.insert(key.clone(), key_place.start);
                        entries.push(Entry { key, key_place, value: node });
                    }
                }
                None => match node.value {
                    Value::Scalar(scalar) => open.key = Some((scalar.text, node.place)),
                    _ => {
                        return Err(problem(
                            node.place,
                            "a key must be a word",
                            "quote text in `{` or `[`",
                        ));
                    }
                },
            },
            // Only lists and mappings are ever opened.
            Value::Scalar(_) => {}
        }
        Ok(())
    }
}

fn problem(place: Place, message: impl Into<String>, help: &str) -> Box<Problem> {
    Box::new(Problem::new(place, message, "here", help))
}

/// The 1-based line of a byte of `text`.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> Json {
        let style = ScalarStyle::Plain;
        Scalar { text: text.to_owned(), written: None, style }.json()
    }

    #[test]
    fn plain_scalars_are_typed_as_yaml_1_2_does() {
        let cases = [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            (".5", json!(0.5)),
            ("1e-6", json!(1e-6)),
            ("1_000", json!("1_000")),
            ("2026-01-05", json!("2026-01-05")),
            ("1.2.3", json!("1.2.3")),
            ("1e999", json!("1e999")),
            ("inf", json!("inf")),
            ("nan", json!("nan")),
            ("0x", json!("0x")),
            ("-", json!("-")),
            ("10%", json!("10%")),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "a: [1, two]\nb:\n  c: 'q'\n  d: |\n    text\n";
        let tree = parse(text, 0, &mut Vec::new()).expect("a tree");
        let at = |path: &[&str]| {
            let place = tree.along(path).place;
            &text[place.start..place.end]
        };
        assert_eq!(at(&["a", "1"]), "two");
        assert_eq!(at(&["b", "c"]), "'q'");
        assert!(at(&["b", "d"]).starts_with('|') || at(&["b", "d"]).contains("text"));
        assert!(at(&["b"]).starts_with("c: 'q'"));
        let key = tree.along(&["b"]).entry("d").expect("a key").key_place;
        assert_eq!(&text[key.start..key.end], "d");
    }
}
