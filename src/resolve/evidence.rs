//! A quick model without comparisons or training data: how likely two rows are one entity, by the
//! columns on which they agree in some form, such as a name or its skeleton.
//!
//! Knows codes; refuses to know what a column means and who asks. Agreement on a rare value weighs
//! more than on a common one. Columns that agree together in rows of different entities, such as a
//! city and its postcode, or the family name and the address of a household, are counted once:
//! what one tells of the other is learnt from pairs drawn within the groups of each column, of
//! which the other columns say that they are different entities. Where nearly all of those are one
//! entity this overrates what is shared: probabilities come out low, in the right order.

use rustc_hash::FxHashMap;

use super::columns::Keys;
use crate::random::SplitMix64;

/// Pairs drawn within the groups of one column.
const DRAWS: usize = 8192;
/// A form in which two rows agree by chance more often than this tells nothing.
const COMMON: f64 = 0.125;
/// Rounds of learning.
const ROUNDS: usize = 2;
/// Pairs that a starting value weighs as much as.
const PRIOR_PAIRS: f64 = 20.0;
/// The probability that a column of two records of one entity agrees, to begin with.
const START_M: f64 = 0.85;

/// How one column of two rows compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Agreement {
    /// Unknown on a side.
    Unknown,
    /// Known on both sides, alike in no form.
    Differs,
    /// Alike, on a value that so many bits tell apart from others.
    Agrees(f64),
}

/// One form of a column: its codes, and what each tells.
struct Form<'a> {
    column: usize,
    keys: &'a Keys,
    bits: Vec<f64>,
}

/// The model over the rows at hand.
pub(crate) struct Evidence<'a> {
    forms: Vec<Form<'a>>,
    /// Log2 odds that two rows drawn at random are one entity.
    prior: f64,
    /// The probability that a column agrees, of one entity and by chance.
    m: Vec<f64>,
    u: Vec<f64>,
    /// By column and column: the bits of the second that agreement on the first tells already.
    shared: Vec<Vec<f64>>,
}

/// The number of rows that hold each code.
fn counts(keys: &Keys, rows: usize) -> Vec<u32> {
    let mut counts: Vec<u32> = Vec::new();
    for row in 0..rows {
        for code in keys.of(row) {
            if counts.len() <= *code as usize {
                counts.resize(*code as usize + 1, 0);
            }
            counts[*code as usize] += 1;
        }
    }
    counts
}

impl<'a> Evidence<'a> {
    /// Learns from `rows` rows; of each form its column and its codes.
    pub(crate) fn learn(forms: Vec<(usize, &'a Keys)>, rows: usize, seed: u64) -> Self {
        let columns = forms.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
        let mut u = vec![1.0 / (rows.max(2) as f64).powi(2); columns];
        let mut ready = Vec::new();
        for (column, keys) in forms {
            let counts = counts(keys, rows);
            let known = (0..rows).filter(|row| !keys.of(*row).is_empty()).count().max(2) as f64;
            let pairs: f64 = counts.iter().map(|c| f64::from(*c) * (f64::from(*c) - 1.0)).sum();
            let chance = pairs / (known * (known - 1.0));
            if chance > COMMON {
                continue;
            }
            u[column] = u[column].max(chance);
            let bits = counts.iter().map(|c| (known / (f64::from(*c) - 1.0).max(1.0)).log2());
            ready.push(Form { column, bits: bits.map(|bits| bits.max(0.0)).collect(), keys });
        }
        let mut evidence = Self {
            forms: ready,
            prior: -(rows.max(2) as f64).log2(),
            m: vec![START_M; columns],
            shared: vec![vec![0.0; columns]; columns],
            u,
        };
        let draws = evidence.draw(rows, seed);
        for _ in 0..ROUNDS {
            evidence.round(&draws);
        }
        evidence
    }

    /// Pairs of rows within the groups of each column: a row, and another that shares a value.
    fn draw(&self, rows: usize, seed: u64) -> Vec<(usize, Vec<Agreement>)> {
        let mut draws = Vec::new();
        for (place, form) in self.forms.iter().enumerate() {
            let of_column = self.forms.iter().filter(|other| other.column == form.column).count();
            let mut groups: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
            for row in 0..rows {
                for code in form.keys.of(row) {
                    groups.entry(*code).or_default().push(row as u32);
                }
            }
            let mut random = SplitMix64::new(seed ^ (place as u64 + 1).wrapping_mul(0x9e37_79b9));
            for _ in 0..DRAWS / of_column {
                let row = random.below(rows as u64) as usize;
                let codes = form.keys.of(row);
                if codes.is_empty() {
                    continue;
                }
                let code = codes[random.below(codes.len() as u64) as usize];
                let group = &groups[&code];
                let other = group[random.below(group.len() as u64) as usize];
                if other as usize != row {
                    draws.push((form.column, self.agreements(row as u32, other)));
                }
            }
        }
        draws
    }

    /// One round: of each column, how often it agrees where the others speak for one entity, and
    /// where they speak for different ones.
    fn round(&mut self, draws: &[(usize, Vec<Agreement>)]) {
        let columns = self.m.len();
        let mut same: Vec<(f64, f64)> = vec![(START_M * PRIOR_PAIRS, PRIOR_PAIRS); columns];
        let mut other: Vec<Vec<(f64, f64)>> = (0..columns)
            .map(|_| self.u.iter().map(|u| (u * PRIOR_PAIRS, PRIOR_PAIRS)).collect())
            .collect();
        for (drawn, agreements) in draws {
            let parts = self.parts(agreements);
            let score = self.prior + parts.iter().sum::<f64>();
            for (column, agreement) in agreements.iter().enumerate() {
                if column == *drawn || *agreement == Agreement::Unknown {
                    continue;
                }
                let agrees = f64::from(u8::from(*agreement != Agreement::Differs));
                let likely = probability(score - parts[column]);
                same[column].0 += likely * agrees;
                same[column].1 += likely;
                other[*drawn][column].0 += (1.0 - likely) * agrees;
                other[*drawn][column].1 += 1.0 - likely;
            }
        }
        let share = |(agreed, all): (f64, f64)| (agreed / all).clamp(1e-9, 0.999);
        self.m = same.into_iter().map(share).collect();
        for (shared, own) in self.shared.iter_mut().zip(other) {
            for ((bits, own), u) in shared.iter_mut().zip(own).zip(&self.u) {
                *bits = (share(own) / u).log2().max(0.0);
            }
        }
    }

    /// How each column of two rows compares.
    pub(crate) fn agreements(&self, l: u32, r: u32) -> Vec<Agreement> {
        let mut all = vec![Agreement::Unknown; self.m.len()];
        for form in &self.forms {
            let (mut l, mut r) = (form.keys.of(l as usize), form.keys.of(r as usize));
            let own = &mut all[form.column];
            if !l.is_empty() && !r.is_empty() && *own == Agreement::Unknown {
                *own = Agreement::Differs;
            }
            while let (Some(a), Some(b)) = (l.first(), r.first()) {
                match a.cmp(b) {
                    std::cmp::Ordering::Less => l = &l[1..],
                    std::cmp::Ordering::Greater => r = &r[1..],
                    std::cmp::Ordering::Equal => {
                        let bits = form.bits[*a as usize];
                        *own = match *own {
                            Agreement::Agrees(before) => Agreement::Agrees(before.max(bits)),
                            _ => Agreement::Agrees(bits),
                        };
                        (l, r) = (&l[1..], &r[1..]);
                    }
                }
            }
        }
        all
    }

    /// What each column adds to the score: of those that agree, the ones that tell most first.
    fn parts(&self, agreements: &[Agreement]) -> Vec<f64> {
        let mut parts = vec![0.0; agreements.len()];
        let mut agreed: Vec<(usize, f64)> = Vec::new();
        for (column, agreement) in agreements.iter().enumerate() {
            match agreement {
                Agreement::Unknown => {}
                Agreement::Differs => {
                    let odds = (1.0 - self.m[column]) / (1.0 - self.u[column]);
                    parts[column] = odds.log2().min(0.0);
                }
                Agreement::Agrees(bits) => agreed.push((column, *bits)),
            }
        }
        agreed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (place, (column, bits)) in agreed.iter().enumerate() {
            let before = agreed[..place].iter().map(|(other, _)| self.shared[*other][*column]);
            let told = before.fold(0.0, f64::max);
            parts[*column] = (bits + self.m[*column].log2() - told).max(0.0);
        }
        parts
    }

    /// The probability that two rows are one entity.
    pub(crate) fn probability(&self, l: u32, r: u32) -> f64 {
        let parts = self.parts(&self.agreements(l, r));
        probability(self.prior + parts.iter().sum::<f64>())
    }

    /// How often a column agrees in some form among records of one entity, as learnt.
    pub(crate) fn m(&self, column: usize) -> f64 {
        self.m[column]
    }
}

fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn keys(values: impl Iterator<Item = String>) -> Keys {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        Keys::encode(&array, "x").unwrap()
    }

    /// 400 rows in pairs of one entity; a city of ten, its code, and what each entity has of its
    /// own.
    fn cities() -> [Keys; 5] {
        let entity = |row: usize| row / 2;
        [
            keys((0..400).map(|row| format!("city {}", entity(row) % 10))),
            keys((0..400).map(|row| format!("code {}", entity(row) % 10))),
            keys((0..400).map(|row| format!("number {}", entity(row)))),
            keys((0..400).map(|row| format!("phone {}", entity(row)))),
            keys((0..400).map(|row| format!("born {}", entity(row) * 7 % 50))),
        ]
    }

    #[test]
    fn a_column_that_another_implies_tells_nothing_more() {
        let forms = cities();
        let evidence = Evidence::learn(forms.iter().enumerate().collect(), 400, 7);
        let parts = evidence.parts(&evidence.agreements(0, 20));
        assert!((parts[0] > 2.5) && parts[1] < 0.2, "{parts:?}");
        assert!(evidence.probability(0, 20) < 0.1, "the same city is not the same person");
        assert!(evidence.probability(0, 1) > 0.4, "{}", evidence.probability(0, 1));
        assert!(evidence.m(2) > 0.8);
    }

    #[test]
    fn the_best_form_of_a_column_speaks_and_an_unknown_one_is_silent() {
        let row = |row: usize, length: usize| match row {
            0 => None,
            1 => Some("ann".to_owned()),
            2 => Some("anne".chars().take(length).collect()),
            _ => Some(format!("{row:03}").chars().take(length).collect()),
        };
        let form = |length| -> ArrayRef {
            Arc::new((0..100).map(|own| row(own, length)).collect::<StringArray>())
        };
        let forms = [4, 3].map(|length| Keys::encode(&form(length), "x").unwrap());
        let evidence = Evidence::learn(forms.iter().map(|keys| (0, keys)).collect(), 100, 7);
        assert!(matches!(evidence.agreements(1, 2)[0], Agreement::Agrees(bits) if bits > 1.0));
        assert_eq!(evidence.agreements(0, 1), [Agreement::Unknown]);
        assert_eq!(evidence.agreements(1, 3), [Agreement::Differs]);
    }
}
