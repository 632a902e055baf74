//! Decided pairs to clusters, and what is said of each.
//!
//! Knows how well groups match as wholes; refuses to know which union a guard refuses.

use std::sync::atomic::Ordering;

use super::super::cluster::{Clusters, Edge, Guards, Refusal, Strength, cluster};
use super::super::compare::MAX_COMPARISONS;
use super::super::model::{Best, Scorer, Weight};
use super::super::pairs::Effects;
use super::super::quality::{ClusterQuality, Decided, quality};
use super::super::record::StewardDecision;
use super::super::settings::Resolve;
use super::ready::Ready;
use super::scoring::{Band, By, Scored};
use super::{GuardReport, Link};
use crate::error::Result;

/// Rows of a group that speak for it, at most: fewer than a number has bits.
const GROUP_ROWS: usize = 24;

/// Scored pairs, sorted by rows, and where those of each left row begin.
pub(super) struct Known<'a> {
    scored: &'a [Scored],
    starts: Vec<u32>,
}

impl<'a> Known<'a> {
    pub(super) fn new(scored: &'a [Scored], rows: usize) -> Self {
        let mut starts = vec![0; rows + 1];
        for pair in scored {
            starts[pair.l as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        Self { scored, starts }
    }

    /// What was found of two rows, where it was kept.
    fn pair(&self, l: u32, r: u32) -> Option<&'a Scored> {
        let (l, r) = (l.min(r), l.max(r));
        let own = self.starts[l as usize] as usize..self.starts[l as usize + 1] as usize;
        self.scored[own].iter().find(|pair| pair.r == r)
    }
}

impl Ready<'_> {
    fn compare_again(&self, l: u32, r: u32) -> u64 {
        self.compared_again.fetch_add(1, Ordering::Relaxed);
        self.comparisons.pattern(l, r)
    }

    /// How well two groups match as wholes: of each comparison the pair that agrees best speaks, as
    /// if each group were one record that holds all its values; where agreement speaks against one
    /// entity, the pair that speaks against it most.
    pub(super) fn group_weight(
        &self,
        scorer: &Scorer<'_>,
        known: &Known<'_>,
        left: &[u32],
        right: &[u32],
    ) -> Weight {
        if let ([l], [r]) = (left, right) {
            return known.pair(*l, *r).map_or_else(
                || scorer.weight(self.compare_again(*l, *r), *l, *r, Weight::MIN),
                |pair| pair.weight,
            );
        }
        let list = &self.comparisons.list;
        let (left, right) =
            (&left[..left.len().min(GROUP_ROWS)], &right[..right.len().min(GROUP_ROWS)]);
        let mut best = [None; MAX_COMPARISONS];
        let best = &mut best[..list.len()];
        // By comparison, a bit for each row of a group that speaks. Where both groups have a whole
        // name, an initial or half a name speaks for neither: it would match a brother's as well.
        let mut speak = [[u32::MAX; 2]; MAX_COMPARISONS];
        for (own, speak) in list.iter().zip(&mut speak).filter(|(own, _)| own.is_of_names()) {
            let whole = [left, right].map(|rows| {
                let bit = |(at, row): (u32, &u32)| u32::from(own.is_whole_name(*row)) << at;
                (0..).zip(rows).map(bit).sum()
            });
            if !whole.contains(&0) {
                *speak = whole;
            }
        }
        for (at_left, l) in left.iter().enumerate() {
            for (at_right, r) in right.iter().enumerate() {
                let pattern = known
                    .pair(*l, *r)
                    .map_or_else(|| self.compare_again(*l, *r), |pair| pair.pattern);
                for (place, best) in best.iter_mut().enumerate() {
                    let [own, other] = speak[place];
                    if own >> at_left & other >> at_right & 1 == 0 {
                        continue;
                    }
                    let own: Option<Best> = scorer.best(pattern, place, *l, *r);
                    let speaks = match scorer.against(place) {
                        true => own.is_some() && best.is_none_or(|best| own < Some(best)),
                        false => own > *best,
                    };
                    if speaks {
                        *best = own;
                    }
                }
            }
        }
        scorer.weight_of(best)
    }

    /// Clusters by the pairs that were merged.
    pub(super) fn clusters(
        &self,
        scorer: &Scorer<'_>,
        scored: &[Scored],
        different: &[(u32, u32)],
        merge: Weight,
    ) -> Result<Clusters> {
        let edges = scored.iter().filter(|pair| pair.decision == Band::Merge).map(|pair| Edge {
            l: pair.l,
            r: pair.r,
            strength: match pair.by {
                By::Model => Strength::Model(pair.weight),
                By::Rule(_) => Strength::Rule,
                By::Steward(_) => Strength::Steward,
            },
        });
        let known = Known::new(scored, self.rows);
        let guards = Guards {
            rules: &self.rules,
            different,
            sources: &self.sources,
            weight: &|l, r| self.group_weight(scorer, &known, l, r),
            merge,
        };
        cluster(self.rows, edges, &guards, self.threads)
    }

    /// The same, with what is said of each cluster.
    pub(super) fn group(
        &self,
        scorer: &Scorer<'_>,
        scored: &[Scored],
        different: &[(u32, u32)],
        merge: Weight,
        names: &Names<'_>,
    ) -> Result<Grouped> {
        let clusters = self.clusters(scorer, scored, different, merge)?.by_strength();
        let joined: Vec<(u32, u32)> = clusters.joined.iter().map(|edge| (edge.l, edge.r)).collect();
        let decided: Vec<Decided> = scored.iter().map(Scored::decided).collect();
        let quality = quality(&clusters.of_row, &joined, &decided);
        let decided_by = |edge: &Edge| {
            let place = scored.binary_search_by_key(&(edge.l, edge.r), |pair| (pair.l, pair.r));
            place.map_or_else(|_| "model".to_owned(), |place| names.by(scored[place].by))
        };
        let link = |edge: &Edge| Link {
            l: self.key(edge.l),
            r: self.key(edge.r),
            decided_by: decided_by(edge),
        };
        let guard = |(edge, refusal): &(Edge, Refusal)| GuardReport {
            guard: names.guard(*refusal),
            l: self.key(edge.l),
            r: self.key(edge.r),
        };
        let refused = clusters.refused.iter();
        let effects = Effects::new(
            joined.iter().copied(),
            refused.map(|(edge, why)| ((edge.l, edge.r), names.guard(*why))),
        );
        Ok(Grouped {
            effects,
            links: clusters.joined.iter().map(link).collect(),
            guards: clusters.refused.iter().map(guard).collect(),
            clusters: clusters.of_row,
            quality,
        })
    }
}

/// What came of merged pairs.
pub(super) struct Grouped {
    pub(super) clusters: Vec<u32>,
    pub(super) quality: Vec<ClusterQuality>,
    pub(super) links: Vec<Link>,
    pub(super) guards: Vec<GuardReport>,
    pub(super) effects: Effects,
}

/// Names of rules and stewards.
pub(super) struct Names<'a> {
    pub(super) settings: &'a Resolve,
    pub(super) decisions: &'a [StewardDecision],
}

impl Names<'_> {
    pub(super) fn by(&self, by: By) -> String {
        match by {
            By::Model => "model".to_owned(),
            By::Rule(place) => format!("rule:{}", self.settings.rules[place as usize].name),
            By::Steward(place) => format!("steward:{}", self.decisions[place as usize].by),
        }
    }

    fn guard(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Different => "different".to_owned(),
            Refusal::Rule(place) => self.by(By::Rule(place as u32)),
            Refusal::DuplicateFree(place) => {
                format!("duplicate_free:{}", self.settings.duplicate_free[place as usize])
            }
            Refusal::WeakBridge => "weak_bridge".to_owned(),
            Refusal::Contradiction => "contradiction".to_owned(),
            Refusal::Rival => "rival".to_owned(),
        }
    }
}
