//! `trust`: the value of the source that is trusted most, trust halving with age.

use super::Rule;

/// Trust is kept in millionths: whole numbers compare alike on every machine.
pub(crate) const ONE: f64 = 1e6;

pub(super) const RULE: Rule = Rule {
    name: "trust",
    summary: "The value trusted most: its source's score in `golden.trust`, halved with each half-life of its age.",
    fewest: 2,
    won: "most trusted",
    measure: |candidates, measures| {
        measures.extend(candidates.rows.iter().map(|&row| candidates.measure[row as usize]));
    },
    lost: |winner, loser, _| {
        let [winner, loser] = [winner, loser].map(|trust| trust as f64 / ONE);
        format!("less trusted ({loser:.3}, the winner {winner:.3})").into()
    },
};

/// The trust left in a value of this age.
pub(crate) fn left(score: f64, half_life_days: Option<f64>, age_days: Option<f64>) -> i64 {
    let share = match (half_life_days, age_days) {
        (None, _) => 1.0,
        (Some(_), None) => 0.0,
        (Some(half_life), Some(age)) => libm::exp2(-age.max(0.0) / half_life),
    };
    libm::round(score * share * ONE) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_halves_with_each_half_life() {
        assert_eq!(left(0.8, Some(30.0), Some(0.0)), 800_000);
        assert_eq!(left(0.8, Some(30.0), Some(30.0)), 400_000);
        assert_eq!(left(0.8, Some(30.0), Some(90.0)), 100_000);
        assert_eq!(left(0.8, None, Some(9000.0)), 800_000);
        assert_eq!(left(0.8, Some(30.0), None), 0);
        assert_eq!(left(0.8, Some(30.0), Some(-5.0)), 800_000, "a later change is no older");
    }
}
