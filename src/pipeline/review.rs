//! The doubtful pairs of the published run, for a person to judge.
//!
//! Knows `scored_pairs` and which decisions stand; refuses to know values and files.

use std::collections::BTreeMap;

use super::Desk;
use crate::error::Result;
use crate::resolve::{Doubt, Doubtful, RecordKey, doubtful};
use crate::tables;

/// Doubtful pairs by kind, each kind's most informative first; and of each its match weight.
pub type Review = BTreeMap<String, Vec<(Doubtful, f64)>>;

/// The pairs that the model decided and that a verdict would tell of. Those that a steward decided
/// since are none.
///
/// # Errors
/// A table that cannot be read.
pub async fn review(desk: &Desk) -> Result<Review> {
    let published = desk.published();
    let needed = [tables::SCORED_PAIRS, tables::ENTITY_MEMBERS, tables::RECORDS];
    if published.register(&needed).await?.len() < needed.len() {
        return Ok(Review::new());
    }
    let sql = "SELECT source_l, record_id_l, source_r, record_id_r, \
               CAST(match_probability AS VARCHAR), CAST(match_weight AS VARCHAR), decision, \
               CAST(coalesce(joined, false) AS VARCHAR), coalesce(guard, ''), \
               l.golden_id, r.golden_id, k.kind FROM scored_pairs \
               JOIN entity_members l ON l.source = source_l AND l.record_id = record_id_l \
               JOIN entity_members r ON r.source = source_r AND r.record_id = record_id_r \
               JOIN records k ON k.source = source_l AND k.record_id = record_id_l \
               WHERE decided_by = 'model' AND (decision = 'review' OR joined OR guard IS NOT NULL)";
    let decided: std::collections::BTreeSet<(RecordKey, RecordKey)> = desk
        .decisions()
        .list()
        .iter()
        .filter(|own| own.stands())
        .flat_map(|own| [(own.a.clone(), own.b.clone()), (own.b.clone(), own.a.clone())])
        .collect();
    let mut kinds: BTreeMap<String, Vec<Doubt>> = BTreeMap::new();
    let mut weights: BTreeMap<(RecordKey, RecordKey), f64> = BTreeMap::new();
    for row in published.texts(sql, tables::SCORED_PAIRS).await? {
        let l = RecordKey::new(&row[0], &row[1]);
        let r = RecordKey::new(&row[2], &row[3]);
        let pair = (l.clone(), r.clone());
        if decided.contains(&pair) {
            continue;
        }
        weights.insert(pair, row[5].parse().unwrap_or_default());
        kinds.entry(row[11].clone()).or_default().push(Doubt {
            l,
            r,
            probability: row[4].parse().unwrap_or_default(),
            joined: row[7] == "true",
            review: row[6] == "review",
            guard: Some(row[8].clone()).filter(|guard| !guard.is_empty()),
            entities: (row[9].clone(), row[10].clone()),
        });
    }
    let ordered = |pairs: Vec<Doubt>| {
        let weight = |own: &Doubtful| {
            weights.get(&(own.pair.l.clone(), own.pair.r.clone())).copied().unwrap_or_default()
        };
        doubtful(pairs)
            .into_iter()
            .map(|own| (weight(&own), own))
            .map(|(w, own)| (own, w))
            .collect()
    };
    let found = kinds.into_iter().map(|(kind, pairs)| (kind, ordered(pairs)));
    Ok(found.filter(|(_, pairs): &(String, Vec<_>)| !pairs.is_empty()).collect())
}
