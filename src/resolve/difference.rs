//! What lies between two models.
//!
//! Knows models as documents; refuses to know records.

use serde::Serialize;

use super::model::{ComparisonModel, LevelModel, Model};

/// What lies between two models of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelDifference {
    /// log2 of the prior odds, before and after.
    pub prior: (f64, f64),
    /// Levels that both models have, the largest moves of a weight first.
    pub levels: Vec<LevelMove>,
    /// Comparisons, or levels of a comparison (`name: level`), that only the second model has.
    pub added: Vec<String>,
    /// Those that only the first model has.
    pub removed: Vec<String>,
    /// By how many bits the score of a pair of one entity moves on average, prior included, over
    /// the comparisons that both have; households and namesakes left out.
    pub same_entity: f64,
    /// The same of a pair that agrees by chance.
    pub coincidence: f64,
}

/// A level in two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelMove {
    /// The comparison.
    pub comparison: String,
    /// The level.
    pub level: String,
    /// Its probability among pairs of one entity, before and after.
    pub m: (f64, f64),
    /// Its probability among pairs that agree by chance, before and after.
    pub u: (f64, f64),
    /// Its weight, before and after.
    pub weight: (f64, f64),
}

impl LevelMove {
    /// By how much the weight moves.
    pub fn moved(&self) -> f64 {
        self.weight.1 - self.weight.0
    }
}

impl ModelDifference {
    /// Compares two models; comparisons and levels are known by name.
    pub fn between(a: &Model, b: &Model) -> Self {
        let mut found = Self {
            prior: (a.prior_weight, b.prior_weight),
            levels: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            same_entity: b.prior_weight - a.prior_weight,
            coincidence: b.prior_weight - a.prior_weight,
        };
        let named =
            |list: &'_ [ComparisonModel], name: &str| list.iter().position(|c| c.name == name);
        for own in &a.comparisons {
            match named(&b.comparisons, &own.name) {
                Some(place) => found.comparison(own, &b.comparisons[place]),
                None => found.removed.push(own.name.clone()),
            }
        }
        let new = b.comparisons.iter().filter(|own| named(&a.comparisons, &own.name).is_none());
        found.added.extend(new.map(|own| own.name.clone()));
        found.levels.sort_by(|a, b| b.moved().abs().total_cmp(&a.moved().abs()));
        found
    }

    fn comparison(&mut self, a: &ComparisonModel, b: &ComparisonModel) {
        let other = |list: &'_ [LevelModel], name: &str| list.iter().position(|l| l.name == name);
        for own in &a.levels {
            let Some(place) = other(&b.levels, &own.name) else {
                self.removed.push(format!("{}: {}", a.name, own.name));
                continue;
            };
            let after = &b.levels[place];
            self.same_entity += own.m * (after.weight - own.weight);
            self.coincidence += own.u * (after.weight - own.weight);
            self.levels.push(LevelMove {
                comparison: a.name.clone(),
                level: own.name.clone(),
                m: (own.m, after.m),
                u: (own.u, after.u),
                weight: (own.weight, after.weight),
            });
        }
        let new = b.levels.iter().filter(|own| other(&a.levels, &own.name).is_none());
        self.added.extend(new.map(|own| format!("{}: {}", a.name, own.name)));
    }

    /// Whether nothing moved.
    pub fn is_none(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.prior.0 == self.prior.1
            && self.levels.iter().all(|own| own.m.0 == own.m.1 && own.u.0 == own.u.1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::inspect::Inspector;
    use super::super::run::Options;
    use super::super::run::tests::{input, people, settings};
    use super::*;

    fn trained() -> Model {
        let (settings, rows) = (settings(), people());
        let input = input(&settings, &rows);
        Inspector::new(&input, Options { threads: 1 }).unwrap().train().unwrap()
    }

    #[test]
    fn a_model_is_no_other_than_itself() {
        let model = trained();
        let found = ModelDifference::between(&model, &model);
        assert!(found.is_none());
        assert_eq!((found.same_entity, found.coincidence), (0.0, 0.0));
    }

    #[test]
    fn what_moved_most_comes_first_and_what_is_gone_is_named() {
        let (before, mut after) = (trained(), trained());
        after.prior_weight += 1.0;
        after.comparisons[1].levels[0].weight -= 2.0;
        after.comparisons[1].levels[1].weight += 0.5;
        after.comparisons[0].levels.pop();
        after.comparisons.pop();
        let found = ModelDifference::between(&before, &after);
        assert_eq!(found.levels[0].moved(), -2.0);
        assert_eq!(found.levels[1].moved(), 0.5);
        assert_eq!(found.removed.len(), 2);
        let own = &before.comparisons[1].levels;
        let expected = 1.0 - 2.0 * own[0].m + 0.5 * own[1].m;
        assert!((found.same_entity - expected).abs() < 1e-9);
        let back = ModelDifference::between(&after, &before);
        assert_eq!((back.added, back.prior.1), (found.removed, found.prior.0));
    }
}
