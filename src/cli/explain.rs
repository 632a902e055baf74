//! `simurgh explain A B`: what a pair's score is made of, whether it was logged or not, and who
//! decided it. `simurgh explain ID`: how a customer came to be.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::out::say;
use super::rows::{Rows, quoted, text};
use super::sample::masked;
use super::{Done, Global, waterfall};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{PairScore, PublishedTables, Records};
use crate::resolve::RecordKey;
use crate::tables;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Values {
    /// None
    None,
    /// The shape of each value: letters as a, digits as 9
    Masked,
    /// The values themselves
    Full,
}

impl Values {
    /// A value as it is shown.
    pub(super) fn show(self, value: Option<&str>) -> String {
        match (self, value) {
            (Self::None, _) | (_, None) => String::new(),
            (Self::Masked, Some(value)) => masked(value),
            (Self::Full, Some(value)) => value.to_owned(),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Two records, as SOURCE:RECORD_ID: why they are the same customer, or not. Or one golden id:
    /// how it came to be
    #[arg(value_name = "A B | ID", num_args = 1..=2, required = true)]
    named: Vec<String>,
    /// How the records' values are shown
    #[arg(long, value_enum, default_value_t = Values::Masked)]
    values: Values,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(async {
        let published = PublishedTables::open(&global.warehouse, None).await?;
        let rows = Rows::of(&published, TABLES).await?;
        match &arguments.named[..] {
            [id] => entity(&published, &rows, id.trim(), global).await,
            [a, b] => pair(&published, &rows, (a, b), arguments.values, global).await,
            _ => Err(Error::usage("one golden id or two records are explained at a time")),
        }
    })
}

/// The tables that tell of pairs and customers.
const TABLES: &[&str] = &[
    tables::DECISIONS,
    tables::ENTITY_EVENTS,
    tables::ENTITY_MEMBERS,
    tables::ENTITY_QUALITY,
    tables::MATCH_LOG,
    tables::SCORED_PAIRS,
];

fn address(text: &str) -> Result<RecordKey> {
    RecordKey::parse(text.trim()).ok_or_else(|| {
        Error::usage("two records are named by their addresses")
            .help("a record's address is SOURCE:RECORD_ID, as in the table entity_members")
    })
}

/// The condition that a row of pairs is of these two records.
fn is_pair(a: &RecordKey, b: &RecordKey) -> String {
    let (l, r) = if a <= b { (a, b) } else { (b, a) };
    format!(
        "source_l = {} AND record_id_l = {} AND source_r = {} AND record_id_r = {}",
        quoted(&l.source),
        quoted(&l.record_id),
        quoted(&r.source),
        quoted(&r.record_id)
    )
}

/// What was found of a pair.
struct Pair<'a> {
    keys: (&'a RecordKey, &'a RecordKey),
    now: PairScore,
    logged: Option<Map<String, Value>>,
    log: Vec<Map<String, Value>>,
    decisions: Vec<Map<String, Value>>,
    entities: (String, String),
    path: Vec<Map<String, Value>>,
}

async fn pair(
    published: &PublishedTables,
    rows: &Rows<'_>,
    (a, b): (&str, &str),
    values: Values,
    global: &Global,
) -> Result<Done> {
    let (a, b) = (address(a)?, address(b)?);
    let now = Records::open(published).await?.pair(&a, &b).await?;
    let is = is_pair(&a, &b);
    let logged = rows
        .of_table(tables::SCORED_PAIRS, &format!("SELECT * FROM scored_pairs WHERE {is}"))
        .await?;
    let log = format!(
        "SELECT run_day, run_id, change, decision, decided_by, match_weight, match_probability, \
         model_hash, configuration FROM match_log WHERE {is} ORDER BY run_day, run_id"
    );
    let log = rows.of_table(tables::MATCH_LOG, &log).await?;
    let (quoted_a, quoted_b) = (quoted(&a.to_string()), quoted(&b.to_string()));
    let decisions = format!(
        "SELECT * FROM decisions WHERE (a = {quoted_a} AND b = {quoted_b}) \
         OR (a = {quoted_b} AND b = {quoted_a}) ORDER BY decision_id"
    );
    let decisions = rows.of_table(tables::DECISIONS, &decisions).await?;
    let entities =
        (published.golden_id(&a.to_string()).await?, published.golden_id(&b.to_string()).await?);
    let path = match entities.0 == entities.1 {
        true => path(&edges(rows, &entities.0).await?, &a, &b),
        false => Vec::new(),
    };
    let logged = logged.into_iter().next();
    let found = Pair { keys: (&a, &b), now, logged, log, decisions, entities, path };
    if !global.json {
        found.print(values);
    }
    let (decision, by) = found.decision();
    let shown: Vec<Value> = found
        .now
        .values
        .iter()
        .filter(|_| values != Values::None)
        .map(|(sql, [l, r])| {
            json!({ "column": sql, "a": values.show(l.as_deref()), "b": values.show(r.as_deref()) })
        })
        .collect();
    Ok(Done::with(json!({
        "outcome": "explained",
        "run_id": published.entry.run_id,
        "logical_date": published.entry.logical_date,
        "a": a.to_string(),
        "b": b.to_string(),
        "decision": decision,
        "decided_by": by,
        "why": found.why(),
        "compared": found.now.compared(),
        "golden_id_a": found.entities.0,
        "golden_id_b": found.entities.1,
        "now": found.now,
        "values": shown,
        "logged": found.logged,
        "log": found.log,
        "decisions": found.decisions,
        "path": found.path,
    })))
}

impl Pair<'_> {
    /// What holds of the pair in the published run, and who decided it.
    fn decision(&self) -> (String, String) {
        match &self.logged {
            Some(row) => (text(row, "decision"), text(row, "decided_by")),
            None if !self.now.compared() => ("not compared".to_owned(), "blocking".to_owned()),
            None => {
                let (decision, by) = self.now.verdict();
                (decision.to_owned(), by)
            }
        }
    }

    /// Why they are one customer, or two, in a sentence.
    fn why(&self) -> String {
        let (decision, by) = self.decision();
        let together = self.entities.0 == self.entities.1;
        let guard = self.logged.as_ref().map(|row| text(row, "guard")).unwrap_or_default();
        match (together, decision.as_str()) {
            (true, "merge") => format!("they are one customer: {}", said("merge", &by)),
            (true, _) => format!(
                "they are one customer through other records, over {} pairs; the pair itself is {}",
                self.path.len(),
                said(&decision, &by)
            ),
            (false, "merge") if !guard.is_empty() => {
                format!(
                    "they are two customers: {} would merge them, and the guard `{guard}` refused",
                    who(&by)
                )
            }
            (false, "merge") => format!(
                "they are two customers: {} would merge them, and what was joined before kept them apart",
                who(&by)
            ),
            (false, _) => format!("they are two customers: {}", said(&decision, &by)),
        }
    }

    fn print(&self, values: Values) {
        let (a, b) = self.keys;
        say!("{a} and {b}, kind {}", self.now.kind);
        say!("{}", self.why());
        let own = |row: &Map<String, Value>, name: &str| text(row, name);
        say!("");
        if values != Values::None {
            for (sql, [l, r]) in &self.now.values {
                say!("  {sql:<28} {:<30} {}", values.show(l.as_deref()), values.show(r.as_deref()));
            }
            say!("");
        }
        for line in waterfall::lines(&self.now.score) {
            say!("  {line}");
        }
        say!(
            "  merged from weight {:.2} (probability {:.4}), reviewed from {:.2} ({:.4})",
            super::sample::weight(self.now.merge_threshold),
            self.now.merge_threshold,
            super::sample::weight(self.now.review_threshold),
            self.now.review_threshold
        );
        say!("");
        if let Some(why) = &self.now.skipped {
            say!("  never compared: {why}");
        }
        for rule in &self.now.blocking {
            let keys: Vec<String> =
                rule.keys.iter().map(|own| format!("{} {}", own.key, own.state)).collect();
            let verdict = if rule.together { "brings them together" } else { "does not" };
            say!("  blocking rule `{}` {verdict}: {}", rule.rule, keys.join(", "));
            if let Some(parted) = &rule.parted {
                say!("    {parted}");
            }
        }
        if self.now.skipped.is_none() && !self.now.compared() {
            let (decision, by) = self.now.verdict();
            say!(
                "  no blocking rule brings them together: they are not compared. If one did: {}",
                said(decision, &by)
            );
        }
        say!("");
        match &self.logged {
            Some(_) => {
                for row in &self.log {
                    say!(
                        "  logged {}, {}: {}, weight {:.2} (run {})",
                        own(row, "run_day"),
                        own(row, "change"),
                        said(&own(row, "decision"), &own(row, "decided_by")),
                        number(row, "match_weight"),
                        own(row, "run_id")
                    );
                }
            }
            None => say!("  not logged: under the review threshold, or not compared"),
        }
        for row in &self.decisions {
            print_decision(row);
        }
        say!("  model {}", self.now.model_hash);
        match &self.entities {
            (own, other) if own == other => say!("  customer {own}"),
            (own, other) => say!("  customers {own} and {other}"),
        }
        if self.path.len() > 1 {
            say!("  joined over");
            self.path.iter().for_each(print_edge);
        }
    }
}

/// Who decided, in words.
fn who(by: &str) -> String {
    match by.split_once(':') {
        Some(("rule", name)) => format!("the rule `{name}`"),
        Some(("steward", name)) => format!("the steward {name}"),
        _ => format!("the {by}"),
    }
}

/// A decision in words.
fn said(decision: &str, by: &str) -> String {
    let by = who(by);
    match decision {
        "review" => format!("put to review by {by}"),
        "separate" => format!("kept apart by {by}"),
        "merge" => format!("merged by {by}"),
        _ => "no blocking rule brings them together".to_owned(),
    }
}

fn print_decision(row: &Map<String, Value>) {
    let own = |name: &str| text(row, name);
    let withdrawn = match own("withdrawn_at") {
        at if at.is_empty() => String::new(),
        at => format!("; withdrawn {at} by {}", own("withdrawn_by")),
    };
    let why = match own("why") {
        why if why.is_empty() => why,
        why => format!(" ({why})"),
    };
    say!(
        "  decision {}: {} and {} are {}, by {} at {}{why}{withdrawn}",
        own("decision_id"),
        own("a"),
        own("b"),
        if own("verdict") == "same" { "the same".to_owned() } else { own("verdict") },
        own("by"),
        own("at")
    );
}

/// One end of a row of pairs.
fn end(row: &Map<String, Value>, side: &str) -> String {
    format!("{}:{}", text(row, &format!("source_{side}")), text(row, &format!("record_id_{side}")))
}

fn number(row: &Map<String, Value>, name: &str) -> f64 {
    row.get(name).and_then(Value::as_f64).unwrap_or(f64::NEG_INFINITY)
}

fn print_edge(row: &Map<String, Value>) {
    let by = text(row, "decided_by");
    let verdict = match text(row, "guard") {
        guard if guard.is_empty() => said(&text(row, "decision"), &by),
        guard => format!("{} would merge them, the guard `{guard}` refused", who(&by)),
    };
    say!(
        "    {} - {}: weight {:.2}, probability {:.6}, blocking rule `{}`: {verdict}",
        end(row, "l"),
        end(row, "r"),
        number(row, "match_weight"),
        number(row, "match_probability"),
        text(row, "blocking_rule")
    );
}

/// Every scored pair of which an end is a record of a customer, the strongest first, with the
/// customers of both ends.
async fn edges(rows: &Rows<'_>, golden_id: &str) -> Result<Vec<Map<String, Value>>> {
    let id = quoted(golden_id);
    let sql = format!(
        "SELECT p.*, l.golden_id AS golden_id_l, r.golden_id AS golden_id_r FROM scored_pairs p \
         JOIN entity_members l ON l.source = source_l AND l.record_id = record_id_l \
         JOIN entity_members r ON r.source = source_r AND r.record_id = record_id_r \
         WHERE l.golden_id = {id} OR r.golden_id = {id} \
         ORDER BY match_weight DESC, source_l, record_id_l, source_r, record_id_r"
    );
    rows.of_table(tables::SCORED_PAIRS, &sql).await
}

/// The pairs that join two records of a customer: those that joined clusters are a tree, and in a
/// tree there is one way.
fn path(edges: &[Map<String, Value>], a: &RecordKey, b: &RecordKey) -> Vec<Map<String, Value>> {
    let joined: Vec<(String, String, &Map<String, Value>)> = edges
        .iter()
        .filter(|row| row.get("joined") == Some(&Value::Bool(true)))
        .map(|row| (end(row, "l"), end(row, "r"), row))
        .collect();
    let (start, goal) = (a.to_string(), b.to_string());
    let mut reached: Vec<(String, Option<usize>, usize)> = vec![(start.clone(), None, 0)];
    let mut next = 0;
    while next < reached.len() {
        let at = reached[next].0.clone();
        for (place, (l, r, _)) in joined.iter().enumerate() {
            let other = match (l == &at, r == &at) {
                (true, _) => r,
                (_, true) => l,
                _ => continue,
            };
            if !reached.iter().any(|(known, ..)| known == other) {
                reached.push((other.clone(), Some(place), next));
            }
        }
        next += 1;
    }
    let mut way = Vec::new();
    let mut at = reached.iter().position(|(own, ..)| *own == goal);
    while let Some(place) = at {
        let (_, edge, before) = &reached[place];
        let Some(edge) = edge else { break };
        way.push(joined[*edge].2.clone());
        at = Some(*before);
    }
    way.reverse();
    way
}

async fn entity(
    published: &PublishedTables,
    rows: &Rows<'_>,
    asked: &str,
    global: &Global,
) -> Result<Done> {
    let id = published.golden_id(asked).await?;
    let records = published.records_of(&id).await?;
    let (within, beyond): (Vec<_>, Vec<_>) = edges(rows, &id)
        .await?
        .into_iter()
        .partition(|row| text(row, "golden_id_l") == text(row, "golden_id_r"));
    let (joined, others): (Vec<_>, Vec<_>) =
        within.into_iter().partition(|row| row.get("joined") == Some(&Value::Bool(true)));
    let (guards, doubtful): (Vec<_>, Vec<_>) =
        beyond.into_iter().partition(|row| !text(row, "guard").is_empty());
    let doubtful: Vec<_> =
        doubtful.into_iter().filter(|row| text(row, "decision") != "separate").collect();
    let addresses: Vec<String> = records.iter().map(|own| quoted(&own.to_string())).collect();
    let decisions = format!(
        "SELECT * FROM decisions WHERE a IN ({0}) OR b IN ({0}) ORDER BY decision_id",
        addresses.join(", ")
    );
    let decisions = rows.of_table(tables::DECISIONS, &decisions).await?;
    let quality = format!("SELECT * FROM entity_quality WHERE golden_id = {}", quoted(&id));
    let quality = rows.of_table(tables::ENTITY_QUALITY, &quality).await?.into_iter().next();
    let events = format!(
        "SELECT * FROM entity_events WHERE golden_id = {0} OR other_golden_id = {0} \
         ORDER BY logical_date, run_id, event, golden_id",
        quoted(&id)
    );
    let events = rows.of_table(tables::ENTITY_EVENTS, &events).await?;
    // A steward's or a rule's word is no weak link, whatever the model says of the pair.
    let by_model = joined.iter().filter(|row| text(row, "decided_by") == "model");
    let weakest = by_model
        .min_by(|a, b| number(a, "match_weight").total_cmp(&number(b, "match_weight")))
        .cloned();
    if !global.json {
        if asked != id && !asked.contains(':') {
            say!("{asked} is now {id}");
        }
        say!("{id}, {} records, run of {}", records.len(), published.entry.logical_date);
        records.iter().for_each(|own| say!("    {own}"));
        if let Some(quality) = &quality {
            say!("  cohesion {}, bridge {}", text(quality, "cohesion"), text(quality, "bridge"));
        }
        let list = |title: &str, rows: &[Map<String, Value>]| {
            if !rows.is_empty() {
                say!("  {title}");
                rows.iter().for_each(print_edge);
            }
        };
        list("pairs that joined its records, the strongest first", &joined);
        if let Some(weakest) = &weakest {
            list("the weakest of them that the model decided", std::slice::from_ref(weakest));
        }
        list("further pairs among them", &others);
        list("guards that kept other customers apart", &guards);
        list("pairs with other customers that were not joined", &doubtful);
        decisions.iter().for_each(print_decision);
        say!("  history");
        for own in &events {
            let other = text(own, "other_golden_id");
            let other = if other.is_empty() { other } else { format!(" {other}") };
            say!(
                "    {} {} {}{other}: {}",
                text(own, "logical_date"),
                text(own, "golden_id"),
                text(own, "event"),
                text(own, "cause")
            );
        }
    }
    Ok(Done::with(json!({
        "outcome": "explained",
        "run_id": published.entry.run_id,
        "logical_date": published.entry.logical_date,
        "golden_id": id,
        "records": records.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "quality": quality,
        "joined": joined,
        "weakest_link": weakest,
        "further": others,
        "guards": guards,
        "not_joined": doubtful,
        "decisions": decisions,
        "events": events,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_two_records_is_found_over_pairs_that_joined() {
        let row = |l: &str, r: &str, joined: bool| -> Map<String, Value> {
            let own = json!({
                "source_l": "s", "record_id_l": l, "source_r": "s", "record_id_r": r, "joined": joined
            });
            own.as_object().unwrap().clone()
        };
        let rows = [
            row("1", "4", false),
            row("2", "3", true),
            row("1", "2", true),
            row("3", "4", true),
            row("3", "5", true),
        ];
        let key = |id: &str| RecordKey::new("s", id);
        let way = path(&rows, &key("1"), &key("4"));
        let ends: Vec<(String, String)> =
            way.iter().map(|own| (text(own, "record_id_l"), text(own, "record_id_r"))).collect();
        let pair = |l: &str, r: &str| (l.to_owned(), r.to_owned());
        assert_eq!(ends, [pair("1", "2"), pair("2", "3"), pair("3", "4")]);
        assert!(path(&rows, &key("1"), &key("9")).is_empty());
    }
}
