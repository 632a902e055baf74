//! How often customers buy and when they stop: the BG/NBD model of Fader, Hardie and Lee
//! ("Counting Your Customers" the Easy Way, Marketing Science 24(2), 2005).
//!
//! While active, a customer buys at random times with a rate of its own, gamma(r, alpha) among
//! customers; after each repeat purchase it stops for good with a chance of its own,
//! beta(a, b) among customers. Knows histories; refuses to know money and tables.

use std::collections::BTreeMap;

use super::minimise::minimise;
use super::special::{hypergeometric, ln_gamma};

/// What the model knows of a customer; times in any one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    /// Repeat purchases, x: purchases after the first.
    pub(crate) frequency: f64,
    /// Time from the first purchase to the last, t_x; 0 without repeat purchases.
    pub(crate) recency: f64,
    /// Time from the first purchase to now, T.
    pub(crate) age: f64,
}

/// The model's parameters; alpha in the unit of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BgNbd {
    pub(crate) r: f64,
    pub(crate) alpha: f64,
    pub(crate) a: f64,
    pub(crate) b: f64,
}

/// Logarithms of parameters are looked for this far from 0, times in the mean age: past it, what
/// they describe does not change.
const REACH: f64 = 10.0;

impl BgNbd {
    /// The most likely parameters of these histories, of which one has an age above 0; with
    /// whether they ended at the edge of where they are looked for.
    pub(crate) fn fit(histories: &[History]) -> (Self, bool) {
        let unit = histories.iter().map(|h| h.age).sum::<f64>() / histories.len() as f64;
        let counts = Counts::new(histories, unit);
        let model = |point: &[f64; 4]| {
            let [r, alpha, a, b] = point.map(|p| p.clamp(-REACH, REACH).exp());
            Self { r, alpha, a, b }
        };
        let (point, _) = minimise([0.0; 4], |point| -counts.log_likelihood(&model(point)));
        let found = model(&point);
        let at_edge = point.iter().any(|p| p.abs() >= REACH);
        (Self { alpha: found.alpha * unit, ..found }, at_edge)
    }

    /// The probability that the customer is still active, equation (7) of Fader, Hardie and Lee's
    /// note on it (2008); 1 without repeat purchases, for the model stops customers after these.
    pub(crate) fn probability_active(&self, history: &History) -> f64 {
        1.0 / (1.0 + self.odds_stopped(history))
    }

    fn odds_stopped(&self, &History { frequency: x, recency, age }: &History) -> f64 {
        if x == 0.0 {
            return 0.0;
        }
        let ratio = ((self.alpha + age) / (self.alpha + recency)).ln() * (self.r + x);
        self.a / (self.b + x - 1.0) * ratio.exp()
    }

    /// The purchases expected of the customer in the time from now, equation (10).
    ///
    /// The hypergeometric function is taken after Euler's transformation, which takes the power
    /// in front of it in, and converges for any time ahead.
    pub(crate) fn expected_purchases(&self, history: &History, time: f64) -> f64 {
        let &History { frequency: x, age, .. } = history;
        let Self { r, alpha, b, .. } = *self;
        // The formula is 0 / 0 where a = 1; its limit is reached from beside.
        let a = if (self.a - 1.0).abs() < 1e-6 { 1.0 + 1e-6 } else { self.a };
        let c = a + b + x - 1.0;
        let c = if c.abs() < 1e-9 { 1e-9 } else { c };
        let z = time / (alpha + age + time);
        let left = (1.0 - z).powf(a - 1.0) * hypergeometric(a + b - 1.0 - r, a - 1.0, c, z);
        c / (a - 1.0) * (1.0 - left) / (1.0 + self.odds_stopped(history))
    }
}

/// Histories counted, times in one unit: customers of one history weigh together.
struct Counts {
    frequencies: Vec<f64>,
    /// Place in `frequencies`, recency, age, customers.
    rows: Vec<(usize, f64, f64, f64)>,
}

impl Counts {
    fn new(histories: &[History], unit: f64) -> Self {
        let mut counts: BTreeMap<[u64; 3], f64> = BTreeMap::new();
        for history in histories {
            // None is negative, so the order of bits is that of numbers.
            let key = [history.frequency, history.recency / unit, history.age / unit];
            *counts.entry(key.map(f64::to_bits)).or_default() += 1.0;
        }
        let (mut frequencies, mut rows): (Vec<f64>, Vec<_>) = (Vec::new(), Vec::new());
        for (key, count) in counts {
            let [frequency, recency, age] = key.map(f64::from_bits);
            if frequencies.last() != Some(&frequency) {
                frequencies.push(frequency);
            }
            rows.push((frequencies.len() - 1, recency, age, count));
        }
        Self { frequencies, rows }
    }

    /// Equation (6), its last sum by the greater of its two terms.
    fn log_likelihood(&self, &BgNbd { r, alpha, a, b }: &BgNbd) -> f64 {
        let alike = r * alpha.ln() - ln_gamma(r) + ln_gamma(a + b) - ln_gamma(b);
        let by_frequency: Vec<(f64, f64)> = self
            .frequencies
            .iter()
            .map(|x| {
                let own = ln_gamma(r + x) + ln_gamma(b + x) - ln_gamma(a + b + x);
                (alike + own, a.ln() - (b + x - 1.0).ln())
            })
            .collect();
        let mut sum = 0.0;
        for &(place, recency, age, count) in &self.rows {
            let x = self.frequencies[place];
            let (front, stopped) = by_frequency[place];
            let mut last = -(r + x) * (alpha + age).ln();
            if x > 0.0 {
                let other = stopped - (r + x) * (alpha + recency).ln();
                let (more, less) = if last > other { (last, other) } else { (other, last) };
                last = more + (less - more).exp().ln_1p();
            }
            sum += count * (front + last);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::cdnow;
    use super::*;

    /// Table 2 of the paper: r = .243, alpha = 4.414, a = .793, b = 2.426, LL = -9582.4.
    #[test]
    fn parameters_of_cdnow_are_the_published_ones() {
        let histories: Vec<History> = cdnow::customers().map(|(history, _)| history).collect();
        let (model, at_edge) = BgNbd::fit(&histories);
        assert!(!at_edge);
        for (found, published) in
            [(model.r, 0.243), (model.alpha, 4.414), (model.a, 0.793), (model.b, 2.426)]
        {
            assert!((found - published).abs() < 0.0005, "{model:?}");
        }
        let log_likelihood = Counts::new(&histories, 1.0).log_likelihood(&model);
        assert!((log_likelihood + 9582.4).abs() < 0.05, "{log_likelihood}");
    }

    /// Predictions of the Python package lifetimes 0.11.3 with the same parameters:
    /// `conditional_expected_number_of_purchases_up_to_time` and `conditional_probability_alive`.
    /// The first is the example of the authors' spreadsheet: x = 2, t_x = 30.43, T = 38.86, 39
    /// weeks ahead give 1.226.
    #[test]
    fn predictions_are_those_of_the_published_example_and_of_lifetimes() {
        let model = BgNbd { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };
        for &(frequency, recency, age, time, purchases, active) in PREDICTIONS {
            let history = History { frequency, recency, age };
            let found =
                (model.expected_purchases(&history, time), model.probability_active(&history));
            assert!((found.0 - purchases).abs() < 1e-9, "{history:?}: {found:?}");
            assert!((found.1 - active).abs() < 1e-12, "{history:?}: {found:?}");
        }
        assert!((PREDICTIONS[0].4 - 1.226).abs() < 0.0005);
    }

    #[test]
    fn where_the_formula_is_undefined_its_limit_is_given() {
        let history = History { frequency: 3.0, recency: 20.0, age: 30.0 };
        let at =
            |a: f64| BgNbd { r: 0.5, alpha: 8.0, a, b: 2.0 }.expected_purchases(&history, 10.0);
        assert!((at(1.0) - (at(0.999) + at(1.001)) / 2.0).abs() < 1e-5);
        // c = a + b + x - 1 = 0.
        let history = History { frequency: 0.0, recency: 0.0, age: 30.0 };
        let at =
            |b: f64| BgNbd { r: 0.5, alpha: 8.0, a: 0.4, b }.expected_purchases(&history, 10.0);
        assert!((at(0.6) - (at(0.599) + at(0.601)) / 2.0).abs() < 1e-5);
    }

    const PREDICTIONS: &[(f64, f64, f64, f64, f64, f64)] = &[
        (2.0, 30.43, 38.86, 39.0, 1.226028174767135, 0.726578570080673),
        (0.0, 0.0, 38.86, 52.0, 0.2520730222824504, 1.0),
        (1.0, 1.71, 38.86, 52.0, 0.25982346486862234, 0.2121009853773791),
        (26.0, 30.86, 31.0, 52.0, 25.75819593648315, 0.968915649717525),
        (5.0, 5.0, 39.0, 520.0, 0.055451837710785386, 0.0026724549647031237),
        (10.0, 38.0, 38.5, 0.5, 0.11024960342660524, 0.9274241967428789),
    ];
}
