//! The evidence of a scored pair beside its levels and weights: what adds up to its match weight,
//! keyed hashes of the values that were compared, and what the pair did to clusters.
//!
//! Knows pairs of rows, the scorer and the key; refuses to know values' meaning and where the columns
//! go. Without a key there are no hashes: a plain hash of a phone number is a phone number.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Float64Builder, ListBuilder, StringArray,
    StringBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use rustc_hash::FxHashMap;

use super::model::{Scorer, Weight, fixed, float};
use super::run::{Ready, Scored, column};
use crate::error::{Error, Result};
use crate::keyed::HashKey;

/// What pairs did to clusters: those that joined two, and those that a guard refused, with its name.
pub(super) struct Effects {
    /// By rows, true where the pair joined two clusters, else the guard that refused it.
    by_pair: FxHashMap<(u32, u32), Option<String>>,
}

impl Effects {
    /// Of pairs that joined, and of those that were refused.
    pub(super) fn new(
        joined: impl Iterator<Item = (u32, u32)>,
        refused: impl Iterator<Item = ((u32, u32), String)>,
    ) -> Self {
        let joined = joined.map(|pair| (pair, None));
        let refused = refused.map(|(pair, guard)| (pair, Some(guard)));
        Self { by_pair: joined.chain(refused).collect() }
    }

    /// Whether a pair joined two clusters, and which guard refused it.
    pub(super) fn of(&self, l: u32, r: u32) -> (bool, Option<&str>) {
        let found = self.by_pair.get(&(l, r));
        (found == Some(&None), found.and_then(Option::as_deref))
    }
}

/// The last columns of `tables::scored_pairs()`, from `prior_weight` on.
pub(super) fn evidence(
    ready: &Ready<'_>,
    scored: &[Scored],
    scorer: &Scorer<'_>,
    effects: &Effects,
) -> Result<Vec<ArrayRef>> {
    let item = Arc::new(Field::new("item", DataType::Float64, false));
    let mut terms = ListBuilder::new(Float64Builder::new()).with_field(item);
    let (mut prior, mut other) = (Vec::new(), Vec::new());
    for pair in scored {
        let all: Vec<f64> = scorer.term_weights(pair.pattern, pair.l, pair.r).collect();
        terms.values().append_slice(&all);
        terms.append(true);
        let compared: Weight = scorer.weights(pair.pattern, pair.l, pair.r).map(fixed).sum();
        prior.push(float(scorer.prior()));
        // What households and namesakes take is what is left.
        other.push(float(pair.weight - scorer.prior() - compared));
    }
    let effect = |pair: &Scored| effects.by_pair.get(&(pair.l, pair.r));
    let key = ready.input.hash_key.as_ref();
    let id = key.map(HashKey::id);
    Ok(vec![
        Arc::new(Float64Array::from(prior)),
        Arc::new(terms.finish()),
        Arc::new(Float64Array::from(other)),
        hashes(ready, key, scored.iter().map(|pair| pair.l))?,
        hashes(ready, key, scored.iter().map(|pair| pair.r))?,
        Arc::new(scored.iter().map(|_| id).collect::<StringArray>()),
        Arc::new(
            scored.iter().map(|own| Some(effect(own) == Some(&None))).collect::<BooleanArray>(),
        ),
        Arc::new(scored.iter().map(|own| effect(own)?.clone()).collect::<StringArray>()),
    ])
}

/// For each row, of each comparison the keyed hash of its values: HMAC over the purpose `value` and
/// a JSON list of the comparison's name and the texts of its columns. Null where there is no key, and
/// where nothing is known.
fn hashes(
    ready: &Ready<'_>,
    key: Option<&HashKey>,
    rows: impl ExactSizeIterator<Item = u32>,
) -> Result<ArrayRef> {
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let Some(key) = key else {
        return Ok(new_null_array(&DataType::List(item), rows.len()));
    };
    let input = ready.input;
    let mut compared: Vec<(&str, Vec<&ArrayRef>)> = Vec::new();
    for own in &input.settings.comparisons {
        let arrays = own.columns.iter().map(|sql| column(input, sql)).collect::<Result<_>>()?;
        compared.push((&own.name, arrays));
    }
    let mut known: FxHashMap<u32, Vec<Option<String>>> = FxHashMap::default();
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in rows {
        let own = match known.entry(row) {
            Entry::Occupied(own) => own.into_mut(),
            Entry::Vacant(own) => {
                let of = |(name, arrays): &(&str, Vec<&ArrayRef>)| hash(key, name, arrays, row);
                own.insert(compared.iter().map(of).collect::<Result<_>>()?)
            }
        };
        own.iter().for_each(|own| list.values().append_option(own.as_deref()));
        list.append(true);
    }
    Ok(Arc::new(list.finish()))
}

/// The keyed hash of what one comparison reads of a row.
fn hash(key: &HashKey, name: &str, arrays: &[&ArrayRef], row: u32) -> Result<Option<String>> {
    let row = row as usize;
    if arrays.iter().all(|array| array.is_null(row)) {
        return Ok(None);
    }
    let mut list = vec![serde_json::Value::from(name)];
    for array in arrays {
        list.push(match array.is_null(row) {
            true => serde_json::Value::Null,
            // The foreign message may quote a value, so it is not passed on.
            false => array_value_to_string(array, row)
                .map_err(|_| Error::configuration(format!("comparison `{name}`: no text form")))?
                .into(),
        });
    }
    let message = serde_json::Value::from(list).to_string();
    Ok(Some(key.hash("value", message.as_bytes())))
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, RecordBatch};
    use arrow::datatypes::Float64Type;

    use super::super::run::tests::{input, people, settings};
    use super::super::run::{Options, Resolved, resolve};
    use super::*;

    fn found(key: Option<&str>) -> Resolved {
        let (settings, rows) = (settings(), people());
        let mut input = input(&settings, &rows);
        input.hash_key = key.map(|key| HashKey::new(key.as_bytes()).unwrap());
        resolve(&input, &[], None, Options { threads: 2 }).unwrap()
    }

    fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
        batch.column_by_name(name).unwrap()
    }

    #[test]
    fn what_is_written_of_a_pair_adds_up_to_its_weight_exactly() {
        let pairs = found(None).pairs;
        let number = |name: &str| column(&pairs, name).as_primitive::<Float64Type>().clone();
        let list = |name: &str, row: usize| -> Vec<f64> {
            let own = column(&pairs, name).as_list::<i32>().value(row);
            own.as_primitive::<Float64Type>().values().to_vec()
        };
        let (all, prior, other) =
            (number("match_weight"), number("prior_weight"), number("other_weight"));
        let mut adjusted = 0;
        for row in 0..pairs.num_rows() {
            let sum: f64 = list("weights", row).iter().sum();
            assert_eq!(prior.value(row) + sum + other.value(row), all.value(row));
            assert!(other.value(row) <= 0.0);
            adjusted += list("term_frequency_weights", row).iter().filter(|w| **w != 0.0).count();
        }
        assert!(pairs.num_rows() > 50 && adjusted > 0);
    }

    #[test]
    fn pairs_that_joined_clusters_and_those_that_a_guard_refused_are_told() {
        let found = found(None);
        let joined = column(&found.pairs, "joined").as_boolean().clone();
        let guards = column(&found.pairs, "guard").as_string::<i32>().clone();
        assert_eq!(joined.iter().filter(|own| *own == Some(true)).count(), found.links.len());
        assert_eq!(guards.iter().flatten().count(), found.guards.len());
        let decision = column(&found.pairs, "decision").as_string::<i32>().clone();
        assert!(
            (0..decision.len()).all(|row| !joined.value(row) || decision.value(row) == "merge")
        );
    }

    #[test]
    fn values_are_hashed_under_a_key_and_not_at_all_without_one() {
        let plain = found(None);
        assert_eq!(column(&plain.pairs, "value_hashes_l").null_count(), plain.pairs.num_rows());
        assert_eq!(column(&plain.pairs, "hash_key_id").null_count(), plain.pairs.num_rows());
        let keyed = found(Some("a key of sixteen"));
        let other = found(Some("another long key"));
        // The model differs in the hashes of its common values alone: every weight is the same.
        let weights = |own: &Resolved| column(&own.pairs, "match_weight").clone();
        assert_eq!((&weights(&plain), &weights(&plain)), (&weights(&keyed), &weights(&other)));
        assert_ne!(plain.model.hash().unwrap(), keyed.model.hash().unwrap());
        let text = |own: &Resolved, side: &str, row: usize| -> Vec<Option<String>> {
            let list = column(&own.pairs, &format!("value_hashes_{side}")).as_list::<i32>();
            list.value(row).as_string::<i32>().iter().map(|own| own.map(str::to_owned)).collect()
        };
        let levels = column(&keyed.pairs, "levels").as_list::<i32>().clone();
        let (mut same, mut differ) = (0, 0);
        for row in 0..keyed.pairs.num_rows() {
            let (l, r) = (text(&keyed, "l", row), text(&keyed, "r", row));
            assert_ne!(l, text(&other, "l", row));
            let levels = levels.value(row);
            let levels = levels.as_primitive::<arrow::datatypes::UInt8Type>();
            for (place, level) in levels.values().iter().enumerate() {
                match level {
                    0 => assert!(l[place].is_none() || r[place].is_none()),
                    1 if l[place] == r[place] => same += 1,
                    _ if l[place] != r[place] => differ += 1,
                    _ => {}
                }
            }
        }
        assert!(same > 0 && differ > 0);
    }

    #[test]
    fn a_model_under_a_key_is_of_use_with_that_key_alone() {
        let (settings, rows) = (settings(), people());
        let mut input = input(&settings, &rows);
        let model = found(Some("a key of sixteen")).model;
        for other in [None, Some("another long key")] {
            input.hash_key = other.map(|key| HashKey::new(key.as_bytes()).unwrap());
            let refused = resolve(&input, &[], Some(model.clone()), Options { threads: 1 });
            let told = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains("SIMURGH_HASH_KEY"), "{told}");
        }
        // A model that was trained without a key goes on, and the run says so.
        input.hash_key = Some(HashKey::new(b"a key of sixteen").unwrap());
        let plain = found(None);
        let again = resolve(&input, &[], Some(plain.model), Options { threads: 1 }).unwrap();
        assert_eq!(column(&again.pairs, "match_weight"), column(&plain.pairs, "match_weight"));
        assert!(again.warnings.iter().any(|own| own.contains("plain hashes")));
    }
}
