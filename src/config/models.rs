//! The check of `resolve`: blocking rules, comparisons, deterministic rules, training, thresholds.
//!
//! Knows what makes a model that can be trained and used; not how it is.

use super::nearest::suggestion;
use super::validate::{Check, KINDS};
use crate::resolve::{ComparisonKind, Resolve, Verdict};

/// Checks the model of each kind.
pub(crate) fn check(check: &mut Check<'_>) {
    let loaded = check.loaded;
    for (kind, resolve) in &loaded.pipeline.resolve {
        check.resolve(kind, resolve);
    }
}

impl Check<'_> {
    fn resolve(&mut self, kind: &str, resolve: &Resolve) {
        let at = ["resolve", kind];
        if !KINDS.contains(&kind) {
            let message = format!("`{kind}` is not a kind of record");
            self.at_key(&at, message, suggestion(kind, KINDS, "kinds"));
        }
        let under = |rest: &[&'static str]| -> Vec<&str> { [&at[..], rest].concat() };
        let names: Vec<&str> = resolve.blocking.iter().map(|rule| rule.name.as_str()).collect();
        self.distinct(&under(&["blocking"]), "name", &names);
        let comparisons: Vec<&str> = resolve.comparisons.iter().map(|c| c.name.as_str()).collect();
        self.distinct(&under(&["comparisons"]), "name", &comparisons);
        let rules: Vec<&str> = resolve.rules.iter().map(|rule| rule.name.as_str()).collect();
        self.distinct(&under(&["rules"]), "name", &rules);
        if resolve.blocking.is_empty() && !resolve.rules.iter().any(|r| r.then == Verdict::Merge) {
            let help = "add a rule such as `- {name: email, keys: [email]}`";
            self.at_key(&under(&["blocking"]), "no pair would ever be looked at", help);
        }
        if resolve.comparisons.is_empty() {
            let help = "add one such as `- {name: email, type: email, columns: [email]}`";
            self.at_key(&under(&["comparisons"]), "nothing is compared", help);
        }
        for (index, rule) in resolve.blocking.iter().enumerate() {
            let index = index.to_string();
            let at = [&at[..], &["blocking", &index]].concat();
            self.not_empty(&at, "keys", rule.keys.len());
            if rule.max_block < 2 {
                self.at(
                    &[&at[..], &["max_block"]].concat(),
                    "a block of one has no pairs",
                    "the least is 2",
                );
            }
        }
        for (index, comparison) in resolve.comparisons.iter().enumerate() {
            let index = index.to_string();
            let at = [&at[..], &["comparisons", &index]].concat();
            let path = [&at[..], &["type"]].concat();
            self.refers(&path, &comparison.kind, self.known.comparisons, "comparison types");
            let kind = ComparisonKind::find(&comparison.kind);
            if !kind.is_some_and(ComparisonKind::of_conditions) {
                self.not_empty(&at, "columns", comparison.columns.len());
            }
            let asked = kind.map(|kind| kind.thresholds_of(&comparison.levels));
            if let Some(Err(what)) = asked {
                let path = [&at[..], &["levels"]].concat();
                let help = "levels go from strict to loose: similarities fall, distances rise, \
                            conditions are SQL";
                self.at(&path, what, help);
            }
        }
        for (index, rule) in resolve.rules.iter().enumerate() {
            let index = index.to_string();
            let at = [&at[..], &["rules", &index]].concat();
            for (place, name) in rule.unlike.iter().enumerate() {
                let place = place.to_string();
                let path = [&at[..], &["unlike", &place]].concat();
                self.refers(&path, name, &comparisons, "comparisons");
            }
            let condition = rule.condition.is_some();
            if rule.same.is_empty()
                && rule.differ.is_empty()
                && rule.unlike.is_empty()
                && !condition
            {
                let help = "give `same`, `differ`, `unlike` or `where`";
                self.at(&at, "this rule holds of every pair", help);
            } else if rule.then == Verdict::Merge && rule.same.is_empty() && !condition {
                self.at(&at, "records are not the same because they differ", "give `same` too");
            }
        }
        for (index, source) in resolve.duplicate_free.iter().enumerate() {
            let index = index.to_string();
            self.record_source(&[&at[..], &["duplicate_free", &index]].concat(), source);
        }
        self.model(&at, resolve, &comparisons);
    }

    fn model(&mut self, at: &[&str], resolve: &Resolve, comparisons: &[&str]) {
        let under = |rest: &[&'static str]| -> Vec<&str> { [at, rest].concat() };
        let thresholds = &resolve.thresholds;
        let precision = thresholds.precision.unwrap_or(1.0);
        for (key, value) in
            [("merge", thresholds.merge), ("review", thresholds.review), ("precision", precision)]
        {
            if !(0.0..=1.0).contains(&value) {
                let help = "a match probability is 0 to 1";
                self.at(&under(&["thresholds", key]), "this is not a probability", help);
            }
        }
        if let Some(sample) = &thresholds.sample {
            self.exists(&under(&["thresholds", "sample"]), sample, false);
            if thresholds.precision.is_none() {
                let help = "give the precision that is wanted, as `precision: 0.99`";
                self.at_key(&under(&["thresholds", "sample"]), "the sample chooses nothing", help);
            }
        }
        if thresholds.review > thresholds.merge {
            // Whichever stands in the file: the other may be the default.
            let key = match self.loaded.tree.along(&under(&["thresholds"])).get("review") {
                Some(_) => "review",
                None => "merge",
            };
            let help =
                "pairs from `review` to `merge` are put to review: let `review` be the smaller";
            self.at(&under(&["thresholds", key]), "`review` is above `merge`", help);
        }
        let training = &resolve.training;
        if training.random_pairs == 0 {
            self.at(
                &under(&["training", "random_pairs"]),
                "u needs random pairs",
                "leave it out for 250,000",
            );
        }
        if training.max_iterations == 0 {
            self.at(
                &under(&["training", "max_iterations"]),
                "EM needs an iteration",
                "leave it out for 1000",
            );
        }
        if training.tolerance.is_nan() || training.tolerance <= 0.0 {
            self.at(
                &under(&["training", "tolerance"]),
                "EM would never end",
                "leave it out for 0.000001",
            );
        }
        if let Some(model) = &training.model {
            self.exists(&under(&["training", "model"]), model, false);
        }
        for (key, share) in [("prior", training.prior), ("rules_recall", training.rules_recall)] {
            if share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
                let help = "give a number over 0 and at most 1";
                self.at(&under(&["training", key]), "this is not a share", help);
            }
        }
        for (name, given) in &training.given {
            let path = [at, &["training", "given", name]].concat();
            if !comparisons.contains(&name.as_str()) {
                let message = format!("`{name}` is none of the comparisons");
                self.at_key(&path, message, suggestion(name, comparisons, "comparisons"));
            }
            let mut probabilities = given.m.iter().chain(&given.u);
            let both = !given.m.is_empty() && !given.u.is_empty();
            if (both && given.m.len() != given.u.len()) || given.m.len() + given.u.len() == 0 {
                self.at(
                    &path,
                    "`m` and `u` must have a number for each level",
                    "give as many of both, or one of them alone",
                );
            } else if !probabilities.all(|p| (0.0..=1.0).contains(p)) {
                self.at(&path, "`m` and `u` are probabilities", "each is 0 to 1");
            }
        }
    }

    fn not_empty(&mut self, at: &[&str], key: &'static str, length: usize) {
        if length == 0 {
            let path = [at, &[key]].concat();
            self.at(&path, format!("`{key}` is empty"), "name at least one column of `records`");
        }
    }
}
