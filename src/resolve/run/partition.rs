//! Which records are clustered again, and the clusters of all: those that were, and those that are as
//! they were.
//!
//! Knows components of merged pairs and the entities of the run before; refuses to know how records
//! are clustered.

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, UInt32Type};
use rustc_hash::FxHashSet;

use super::super::cluster::Strength;
use super::super::columns::MISSING;
use super::super::quality::ClusterQuality;
use super::before::Before;
use super::grouping::Grouped;
use super::output::Both;
use super::part::Part;
use super::scoring::{Band, By, Scored};
use crate::error::{Error, Result};

fn strength(pair: &Scored) -> Strength {
    match pair.by {
        By::Model => Strength::Model(pair.weight),
        By::Rule(_) => Strength::Rule,
        By::Steward(_) => Strength::Steward,
    }
}

/// The records of every component of merged pairs in which something changed.
pub(super) fn touched(
    changed: &[bool],
    of_stewards: impl Iterator<Item = u32>,
    both: &Both<'_>,
) -> Vec<u32> {
    let taken = both.taken;
    let mut dirty = changed.to_vec();
    let mut mark = |row: u32| dirty[row as usize] = true;
    of_stewards.for_each(&mut mark);
    taken.bereft.iter().copied().for_each(&mut mark);
    let mut as_it_was: FxHashSet<(u32, u32)> = FxHashSet::default();
    for pair in &both.fresh {
        let verdict = (Some(pair.decision), strength(pair), pair.weight);
        let before = taken.replaced.get(&(pair.l, pair.r)).map(|own| own.0);
        if before == Some(verdict) {
            as_it_was.insert((pair.l, pair.r));
            continue;
        }
        let unchanged = !changed[pair.l as usize] && !changed[pair.r as usize];
        if unchanged || pair.decision == Band::Merge {
            mark(pair.l);
            mark(pair.r);
        }
    }
    for (l, r) in taken.replaced.keys().filter(|pair| !as_it_was.contains(pair)) {
        mark(*l);
        mark(*r);
    }
    let mut parent: Vec<u32> = (0..changed.len() as u32).collect();
    let pairs = taken.iter().map(|(pair, _)| pair).chain(&both.fresh);
    for pair in pairs.filter(|pair| pair.decision == Band::Merge) {
        let (l, r) = (root(&mut parent, pair.l), root(&mut parent, pair.r));
        parent[l.max(r) as usize] = l.min(r);
    }
    let mut whole = vec![false; changed.len()];
    for row in (0u32..).zip(&dirty).filter(|(_, dirty)| **dirty).map(|(row, _)| row) {
        whole[root(&mut parent, row) as usize] = true;
    }
    (0..changed.len() as u32).filter(|row| whole[root(&mut parent, *row) as usize]).collect()
}

fn root(parent: &mut [u32], mut row: u32) -> u32 {
    while parent[row as usize] != row {
        let above = parent[parent[row as usize] as usize];
        parent[row as usize] = above;
        row = above;
    }
    row
}

type Partition = (Vec<u32>, Vec<ClusterQuality>, Vec<u32>);

/// The cluster of each row, the quality of each cluster of two records or more, of those that were
/// clustered again and of the others as they were; and by row the entity that stays. `None` where a record that is as it was
/// was in no entity.
pub(super) fn partition(
    before: &Before<'_>,
    far: &Part,
    grouped: &Grouped,
) -> Result<Option<Partition>> {
    let (of_before, qualities) = (&before.entities, &before.qualities);
    let mut of_again = vec![MISSING; grouped.clusters.iter().max().map_or(0, |c| *c as usize + 1)];
    let mut of_entities = vec![MISSING; qualities.len()];
    let mut clusters = Vec::with_capacity(of_before.len());
    let mut entities = Vec::with_capacity(of_before.len());
    let mut sizes: Vec<u32> = Vec::new();
    for (row, entity) in (0u32..).zip(of_before) {
        let place = far.place(row);
        entities.push(if place == MISSING { *entity } else { MISSING });
        let number = match (place, *entity) {
            (MISSING, MISSING) => return Ok(None),
            (MISSING, entity) => &mut of_entities[entity as usize],
            (place, _) => &mut of_again[grouped.clusters[place as usize] as usize],
        };
        if *number == MISSING {
            *number = sizes.len() as u32;
            sizes.push(0);
        }
        sizes[*number as usize] += 1;
        clusters.push(*number);
    }
    let again = grouped.quality.iter().map(|own| {
        let cluster = of_again[own.cluster as usize];
        ClusterQuality { cluster, ..*own }
    });
    let mut quality: Vec<ClusterQuality> = again.collect();
    let table = before.quality;
    let lost = || Error::bug("an earlier run's entity_quality lacks a column");
    let column = |name: &str| table.column_by_name(name).ok_or_else(lost);
    let float = |name: &str| column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(lost);
    let members = column("members")?.as_primitive_opt::<UInt32Type>().ok_or_else(lost)?;
    let (cohesion, weakest_link) = (float("cohesion")?, float("weakest_link")?);
    let bridge = column("bridge")?.as_boolean_opt().ok_or_else(lost)?;
    for (entity, cluster) in of_entities.iter().enumerate().filter(|own| *own.1 != MISSING) {
        let size = sizes[*cluster as usize];
        match qualities[entity] {
            Some(place) if members.value(place) == size => quality.push(ClusterQuality {
                cluster: *cluster,
                members: size,
                cohesion: cohesion.value(place),
                weakest_link: weakest_link.value(place),
                bridge: bridge.value(place),
            }),
            None if size == 1 => {}
            _ => return Ok(None),
        }
    }
    quality.sort_unstable_by_key(|own| own.cluster);
    Ok(Some((clusters, quality, entities)))
}
