//! Doubtful pairs, those first of which a person's verdict would tell most.
//!
//! Knows probabilities and what became of pairs; refuses to know values. A verdict tells as many bits
//! as the pair's probability is uncertain (Shannon 1948). Where a guard refused what the model would
//! merge, the two contradict each other, and that is one bit. Of several pairs between the same two
//! entities one verdict settles all: the others come after.

use std::collections::BTreeSet;

use super::record::RecordKey;

/// A pair of a published run that the model decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// One record.
    pub l: RecordKey,
    /// The other.
    pub r: RecordKey,
    /// The match probability.
    pub probability: f64,
    /// Whether it was merged, and joined two clusters.
    pub joined: bool,
    /// Whether it was put to review.
    pub review: bool,
    /// The guard that refused it, where one did.
    pub guard: Option<String>,
    /// The golden ids of both.
    pub entities: (String, String),
}

/// A doubtful pair, and why it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubtful {
    /// The pair.
    pub pair: Doubt,
    /// What its verdict would tell, in bits, 0 to 1.
    pub information: f64,
    /// `review`, `weak link` or `guard NAME`.
    pub why: String,
}

/// A merged pair of a higher probability is no weak link: its verdict would tell under a tenth of a
/// bit.
const SURE: f64 = 0.99;

/// The entropy of a probability, in bits.
fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// The doubtful ones of these pairs, the most informative first.
pub fn doubtful(pairs: Vec<Doubt>) -> Vec<Doubtful> {
    let mut found: Vec<Doubtful> = Vec::new();
    for pair in pairs {
        let (information, why) = match &pair.guard {
            Some(guard) => (1.0, format!("guard {guard}")),
            None if pair.review && pair.entities.0 != pair.entities.1 => {
                (entropy(pair.probability), "review".to_owned())
            }
            None if pair.joined && pair.probability < SURE => {
                (entropy(pair.probability), "weak link".to_owned())
            }
            None => continue,
        };
        found.push(Doubtful { pair, information, why });
    }
    let key = |own: &Doubtful| (own.pair.l.clone(), own.pair.r.clone());
    found.sort_by(|a, b| b.information.total_cmp(&a.information).then_with(|| key(a).cmp(&key(b))));
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for own in found {
        let (l, r) = &own.pair.entities;
        let between = (l.min(r).clone(), l.max(r).clone());
        // Two links of one entity are two questions.
        match between.0 == between.1 || asked.insert(between) {
            true => first.push(own),
            false => later.push(own),
        }
    }
    first.extend(later);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_most_comes_first_and_one_question_is_asked_of_two_entities() {
        let pair = |l: &str, r: &str, probability, entities: (&str, &str)| Doubt {
            l: RecordKey::new("s", l),
            r: RecordKey::new("s", r),
            probability,
            joined: false,
            review: true,
            guard: None,
            entities: (entities.0.to_owned(), entities.1.to_owned()),
        };
        let merged = |l, r, probability, joined| Doubt {
            review: false,
            joined,
            ..pair(l, r, probability, ("e9", "e9"))
        };
        let guard = Some("rival".to_owned());
        let pairs = vec![
            pair("1", "2", 0.3, ("e1", "e2")),
            pair("1", "3", 0.45, ("e1", "e2")),
            pair("4", "5", 0.25, ("e4", "e5")),
            Doubt { guard, review: false, ..pair("6", "7", 0.999, ("e6", "e7")) },
            merged("8", "9", 0.9, true),
            merged("8", "a", 0.9, false),
            merged("9", "b", 0.995, true),
            pair("c", "d", 0.4, ("e9", "e9")),
        ];
        let found = doubtful(pairs);
        let told: Vec<(&str, &str)> =
            found.iter().map(|own| (&own.pair.l.record_id[..], &own.why[..])).collect();
        assert_eq!(
            told,
            [
                ("6", "guard rival"),
                ("1", "review"),
                ("4", "review"),
                ("8", "weak link"),
                ("1", "review")
            ]
        );
        assert!((found[1].information - 0.9928).abs() < 1e-4);
    }
}
