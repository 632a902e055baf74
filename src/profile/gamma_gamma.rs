//! What customers spend in a purchase: the Gamma-Gamma model of Fader and Hardie ("The
//! Gamma-Gamma Model of Monetary Value", 2013, after Fader, Hardie and Lee 2005).
//!
//! Purchases vary around a mean of the customer's own, gamma(p, nu), and nu varies among
//! customers, gamma(q, v); the mean does not depend on how often they buy. Knows means of
//! customers; refuses to know times and tables.

use std::collections::BTreeMap;

use super::minimise::minimise;
use super::special::ln_gamma;

/// The repeat purchases of a customer, at least one, and their mean value, above 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spending {
    pub(crate) frequency: f64,
    pub(crate) mean: f64,
}

/// The model's parameters; v in the unit of money. q is above 1, without which nothing has a mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GammaGamma {
    pub(crate) p: f64,
    pub(crate) q: f64,
    pub(crate) v: f64,
}

/// Logarithms of parameters are looked for this far from 0, money in its mean.
const REACH: f64 = 10.0;

impl GammaGamma {
    /// The most likely parameters of these customers, of whom there is one; with whether they
    /// ended at the edge of where they are looked for.
    pub(crate) fn fit(customers: &[Spending]) -> (Self, bool) {
        let unit = customers.iter().map(|c| c.mean).sum::<f64>() / customers.len() as f64;
        let scaled: Vec<Spending> =
            customers.iter().map(|c| Spending { mean: c.mean / unit, ..*c }).collect();
        let model = |point: &[f64; 3]| {
            let [p, over_one, v] = point.map(|p| p.clamp(-REACH, REACH).exp());
            Self { p, q: 1.0 + over_one, v }
        };
        let (point, _) = minimise([0.0; 3], |point| -log_likelihood(&model(point), &scaled));
        let found = model(&point);
        (Self { v: found.v * unit, ..found }, point.iter().any(|p| p.abs() >= REACH))
    }

    /// The mean value of a purchase among all customers.
    pub(crate) fn population_mean(&self) -> f64 {
        self.p * self.v / (self.q - 1.0)
    }

    /// The mean value of a purchase expected of a customer, equation (5).
    pub(crate) fn expected_mean(&self, customer: &Spending) -> f64 {
        let Spending { frequency: x, mean } = *customer;
        self.p * (self.v + x * mean) / (self.p * x + self.q - 1.0)
    }
}

/// The logarithm of equation (1a), summed over the customers in their order.
fn log_likelihood(&GammaGamma { p, q, v }: &GammaGamma, customers: &[Spending]) -> f64 {
    let alike = q * v.ln() - ln_gamma(q);
    let mut by_frequency: BTreeMap<u64, f64> = BTreeMap::new();
    customers
        .iter()
        .map(|&Spending { frequency: x, mean }| {
            let own = by_frequency
                .entry(x.to_bits())
                .or_insert_with(|| ln_gamma(p * x + q) - ln_gamma(p * x) + p * x * x.ln());
            alike + *own + (p * x - 1.0) * mean.ln() - (p * x + q) * (x * mean + v).ln()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::cdnow;
    use super::*;

    /// Table 1 of the note: p = 6.25, q = 3.74, v = 15.44 over the 946 customers who bought again.
    #[test]
    fn parameters_of_cdnow_are_the_published_ones() {
        let again: Vec<Spending> = cdnow::customers()
            .filter(|(history, _)| history.frequency > 0.0)
            .map(|(history, mean)| Spending { frequency: history.frequency, mean })
            .collect();
        assert_eq!(again.len(), 946);
        let (model, at_edge) = GammaGamma::fit(&again);
        assert!(!at_edge);
        // lifetimes 0.11.3 gives 6.2488, 3.7446 and 15.4477.
        for (found, published) in [(model.p, 6.25), (model.q, 3.74), (model.v, 15.45)] {
            assert!((found - published).abs() < 0.005, "{model:?}");
        }
    }

    /// lifetimes 0.11.3, `conditional_expected_average_profit` with the published parameters.
    #[test]
    fn expected_means_are_those_of_lifetimes() {
        let model = GammaGamma { p: 6.25, q: 3.74, v: 15.45 };
        for (frequency, mean, expected) in [
            (2.0, 22.35, 24.667814960629922),
            (1.0, 11.77, 18.923804226918797),
            (7.0, 73.74, 71.47101527210151),
        ] {
            let found = model.expected_mean(&Spending { frequency, mean });
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
        assert!((model.population_mean() - 35.2417).abs() < 1e-4);
    }
}
