//! Terms: the parts of a comparison's values, and how often each is.
//!
//! Knows codes, counts and hashes; refuses to know weights. What a term is, a comparison says.

use crate::keyed::HashKey;
use crate::resolve::columns::{MISSING, Tuples};

/// The text of a term, in the form by which it agrees.
pub(crate) type TermText = Box<dyn Fn(u32) -> String + Send + Sync>;

/// One part of a comparison's values, of which frequencies are counted.
pub(crate) struct Part {
    /// The term of each of the comparison's codes, `MISSING` for none.
    pub(crate) codes: Vec<u32>,
    /// The text of each term, made only where it is asked for.
    pub(crate) text: TermText,
}

/// How often the terms of a part are.
pub(crate) struct Terms {
    /// The term of each of the comparison's codes, `MISSING` for none.
    pub(crate) codes: Vec<u32>,
    /// How many records hold each term.
    pub(crate) counts: Vec<u32>,
    text: TermText,
}

impl Terms {
    /// Counts the terms of a part over the values of its comparison.
    pub(super) fn new(part: Part, tuples: &Tuples) -> Self {
        let size = part.codes.iter().filter(|term| **term != MISSING).max();
        let mut counts = vec![0; size.map_or(0, |term| *term as usize + 1)];
        for (term, count) in part.codes.iter().zip(&tuples.counts) {
            if *term != MISSING {
                counts[*term as usize] += count;
            }
        }
        Self { codes: part.codes, counts, text: part.text }
    }

    /// A hash of a term that does not depend on codes, 128 bits as hex: under a key where there is
    /// one, else of BLAKE3, which tells who tries whether a value is common.
    pub(crate) fn hash(&self, term: u32, key: Option<&HashKey>) -> String {
        if let Some(key) = key {
            return key.hash("term frequency", (self.text)(term).as_bytes());
        }
        let mut hasher = blake3::Hasher::new_derive_key("simurgh term frequency 2");
        hasher.update((self.text)(term).as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// The probability that two of the records that hold values so often hold one and the same; half
/// a pair stands for agreement never seen. `None` where no two can be drawn.
pub(crate) fn agreement(counts: &[u32]) -> Option<f64> {
    let records: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let agreeing: f64 =
        counts.iter().map(|count| f64::from(*count) * (f64::from(*count) - 1.0)).sum();
    (records > 1.0).then(|| (agreeing + 1.0) / (records * (records - 1.0) + 2.0))
}
