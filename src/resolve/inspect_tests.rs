//! What is looked at is what a run does: counts against every pair looked at, scores against those
//! of a run.

use std::collections::BTreeSet;

use super::super::run::resolve;
use super::super::run::tests::{input, people, settings};
use super::*;

const OPTIONS: Options = Options { threads: 2 };

#[test]
fn pairs_are_counted_as_every_pair_looked_at_tells() {
    let (mut settings, rows) = (settings(), people());
    settings.blocking[1].max_block = 1000;
    let input = input(&settings, &rows);
    let inspector = Inspector::new(&input, OPTIONS).unwrap();
    let same = |column: usize, l: usize, r: usize| {
        !rows[l][column].is_empty() && rows[l][column] == rows[r][column]
    };
    // By e-mail, by family name, by both; of pairs, then of known matches.
    let (mut pairs, mut matches, mut known) = ([0u64; 3], [0u64; 3], Vec::new());
    for l in 0..rows.len() {
        for r in l + 1..rows.len() {
            let holds = [same(5, l, r), same(3, l, r)];
            let is_match = rows[l][1] == rows[r][1];
            if is_match {
                known.push((r as u32, l as u32));
            }
            let place = match holds {
                [true, true] => 2,
                [true, false] => 0,
                [false, true] => 1,
                [false, false] => continue,
            };
            pairs[place] += 1;
            matches[place] += u64::from(is_match);
        }
    }
    let found = inspector.blocking(Some(&known), 3, false).unwrap();
    let [email, family] = &found.rules[..] else { unreachable!() };
    assert_eq!((email.new_pairs, email.only_pairs), (pairs[0] + pairs[2], pairs[0]));
    assert_eq!((family.new_pairs, family.only_pairs), (pairs[1], pairs[1]));
    assert_eq!(family.report.pairs, pairs[1] + pairs[2]);
    assert_eq!(found.pairs, pairs.iter().sum::<u64>());
    assert_eq!(found.matches, Some(matches.iter().sum()));
    let of = |own: &RuleBlocking| (own.matches.unwrap(), own.only_matches.unwrap());
    assert_eq!(of(email), (matches[0] + matches[2], matches[0]));
    assert_eq!(of(family), (matches[1] + matches[2], matches[1]));
    let largest = family.largest.iter().map(|block| block.records).collect::<Vec<_>>();
    assert!(largest.windows(2).all(|two| two[0] >= two[1]) && largest.len() == 3);
    assert_eq!(largest[0], family.report.largest_block);
    assert!(family.largest.iter().all(|block| block.values.is_none()), "values are not given");
    let shown = inspector.blocking(None, 1, true).unwrap();
    assert!(shown.rules[1].largest[0].values.as_ref().is_some_and(|v| !v[0].is_empty()));
}

#[test]
fn a_large_block_tells_into_how_many_parts_it_is_divided() {
    let (mut settings, rows) = (settings(), people());
    settings.blocking[1].max_block = 2;
    settings.blocking[1].refine = vec!["given".to_owned()];
    let input = input(&settings, &rows);
    let inspector = Inspector::new(&input, OPTIONS).unwrap();
    let found = inspector.blocking(None, 1, false).unwrap();
    let block = &found.rules[1].largest[0];
    let members: Vec<&[String; 6]> = {
        let mut by_family = std::collections::BTreeMap::<&str, Vec<&[String; 6]>>::new();
        rows.iter().for_each(|row| by_family.entry(row[3].as_str()).or_default().push(row));
        by_family.into_values().max_by_key(Vec::len).unwrap()
    };
    assert_eq!(block.records, members.len() as u64);
    let given: BTreeSet<&str> = members.iter().map(|row| row[2].as_str()).collect();
    assert!(block.parts > 1 && block.parts <= given.len() as u64);
}

#[test]
fn a_waterfall_adds_up_to_the_score_of_a_run() {
    let (settings, rows) = (settings(), people());
    let input = input(&settings, &rows);
    let inspector = Inspector::new(&input, OPTIONS).unwrap();
    let resolved = resolve(&input, &[], None, OPTIONS).unwrap();
    assert_eq!(inspector.train().unwrap(), resolved.model);
    let scoring = inspector.scoring(&resolved.model).unwrap();
    use arrow::array::AsArray;
    let column = |name: &str| resolved.pairs.column_by_name(name).unwrap();
    let text = |name: &str, row: usize| column(name).as_string::<i32>().value(row).to_owned();
    let weights = column("match_weight").as_primitive::<arrow::datatypes::Float64Type>();
    assert!(resolved.pairs.num_rows() > 20);
    for place in 0..resolved.pairs.num_rows() {
        let key = |side: &str| {
            let own = RecordKey::new(
                text(&format!("source_{side}"), place),
                text(&format!("record_id_{side}"), place),
            );
            inspector.row(&own).unwrap()
        };
        let (l, r) = (key("l"), key("r"));
        let looked = scoring.waterfall(r, l);
        assert_eq!(looked.match_weight, weights.value(place));
        assert_eq!(scoring.weight(l, r), weights.value(place));
        let sum: f64 = looked.parts.iter().map(|part| part.weight).sum();
        assert_eq!(looked.prior + sum + looked.other_classes, looked.match_weight);
        assert_eq!(looked.blocking_rule, Some(text("blocking_rule", place)));
    }
    let seen: u64 = scoring.each(|count: &mut u64, _, _, _| *count += 1).unwrap().into_iter().sum();
    assert_eq!(seen, resolved.pairs_compared);
}

#[test]
fn records_that_can_match_nothing_are_told_by_why() {
    let (settings, mut rows) = (settings(), people());
    // No key at all; and nothing known but a family name.
    (rows[0][3], rows[0][5]) = (String::new(), String::new());
    (rows[1][2], rows[1][4], rows[1][5]) = (String::new(), String::new(), String::new());
    let input = input(&settings, &rows);
    let inspector = Inspector::new(&input, OPTIONS).unwrap();
    let model = inspector.train().unwrap();
    let scoring = inspector.scoring(&model).unwrap();
    let found = scoring.unlinkable(&inspector, 0.999_999).unwrap();
    assert_eq!(found.no_key, [0]);
    assert!(found.too_little_known.contains(&1) && found.too_little_known.len() < rows.len());
    assert!(scoring.unlinkable(&inspector, 0.0).unwrap().too_little_known.is_empty());
}
