//! k-means: Lloyd's algorithm from the seeds of k-means++ (Arthur, Vassilvitskii 2007).
//!
//! Written here and not taken from a library: those that were looked at bring their own threads,
//! random generators and linear algebra, whose sums are not ours to order.

use super::matrix::{Matrix, squared_distance};
use crate::random::SplitMix64;

/// Rounds of one start at most.
const ROUNDS: usize = 300;

/// The centres of clusters.
#[derive(Debug, Clone)]
pub(crate) struct Clusters {
    /// Each cluster's centre.
    pub(crate) centres: Matrix,
    /// The sum of squared distances to the nearest centre.
    pub(crate) inertia: f64,
}

impl Clusters {
    /// The nearest centre of a row, the first of several, and the square of the distance to it.
    pub(crate) fn nearest(&self, row: &[f64]) -> (usize, f64) {
        nearest(&self.centres, row)
    }
}

/// The best of `starts` runs of k-means with `k` clusters; `k` is at most the number of distinct
/// points and at least 1.
pub(crate) fn k_means(points: &Matrix, k: usize, starts: usize, seed: u64) -> Clusters {
    let mut random = SplitMix64::new(seed);
    let mut best: Option<Clusters> = None;
    for _ in 0..starts.max(1) {
        let found = lloyd(points, seeds(points, k, &mut random));
        // Starts that end in the same clusters may differ in the last bits: the first is kept.
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia * (1.0 - 1e-9)) {
            best = Some(found);
        }
    }
    best.unwrap_or(Clusters { centres: Matrix::new(Vec::new(), points.width()), inertia: 0.0 })
}

/// Points drawn as first centres, each with a chance as the square of its distance to those drawn
/// before.
fn seeds(points: &Matrix, k: usize, random: &mut SplitMix64) -> Matrix {
    let first = random.below(points.len() as u64) as usize;
    let mut drawn = vec![first];
    let mut distances: Vec<f64> =
        points.rows().map(|row| squared_distance(row, points.row(first))).collect();
    while drawn.len() < k {
        let mut left = random.uniform() * distances.iter().sum::<f64>();
        // A point at distance 0 is one that is drawn already.
        let mut chosen = None;
        for (row, distance) in distances.iter().enumerate().filter(|(_, d)| **d > 0.0) {
            chosen = Some(row);
            left -= distance;
            if left < 0.0 {
                break;
            }
        }
        let Some(chosen) = chosen else { break };
        drawn.push(chosen);
        for (row, distance) in points.rows().zip(&mut distances) {
            *distance = distance.min(squared_distance(row, points.row(chosen)));
        }
    }
    points.select(&drawn)
}

fn nearest(centres: &Matrix, row: &[f64]) -> (usize, f64) {
    let mut found = (0, f64::INFINITY);
    for (place, centre) in centres.rows().enumerate() {
        let distance = squared_distance(row, centre);
        if distance < found.1 {
            found = (place, distance);
        }
    }
    found
}

fn lloyd(points: &Matrix, mut centres: Matrix) -> Clusters {
    let (k, width) = (centres.len(), points.width());
    let mut labels: Vec<usize> = Vec::new();
    for _ in 0..ROUNDS {
        let found: Vec<(usize, f64)> = points.rows().map(|row| nearest(&centres, row)).collect();
        let now: Vec<usize> = found.iter().map(|(label, _)| *label).collect();
        if now == labels {
            break;
        }
        labels = now;
        let mut sums = vec![0.0; k * width];
        let mut counts = vec![0_usize; k];
        for (row, label) in points.rows().zip(&labels) {
            counts[*label] += 1;
            for (sum, number) in sums[label * width..].iter_mut().zip(row) {
                *sum += number;
            }
        }
        // An empty cluster begins anew at the point that is farthest from its centre.
        let mut far: Vec<usize> = (0..points.len()).collect();
        far.sort_by(|l, r| found[*r].1.total_cmp(&found[*l].1));
        let mut far = far.into_iter();
        for (label, count) in counts.iter().enumerate() {
            let sum = &mut sums[label * width..(label + 1) * width];
            if *count > 0 {
                sum.iter_mut().for_each(|number| *number /= *count as f64);
            } else if let Some(row) = far.next() {
                sum.copy_from_slice(points.row(row));
            }
        }
        centres = Matrix::new(sums, width);
    }
    let inertia = points.rows().map(|row| nearest(&centres, row).1).sum();
    Clusters { centres, inertia }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::silhouette::silhouettes;
    use super::*;

    /// `fixtures/profile/README.md` says how scikit-learn made them: points and its label of each.
    pub(in super::super) fn blobs() -> (Matrix, Vec<usize>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/profile/blobs.csv");
        let rows: Vec<(f64, f64, f64, usize)> =
            csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect();
        let points = rows.iter().flat_map(|(x, y, z, _)| [*x, *y, *z]).collect();
        (Matrix::new(points, 3), rows.iter().map(|(_, _, _, label)| *label).collect())
    }

    #[test]
    fn clusters_and_silhouettes_are_those_of_scikit_learn() {
        let (points, labels) = blobs();
        assert!((silhouettes(&points, &[&labels])[0] - SILHOUETTE).abs() < 1e-12);
        let found = k_means(&points, 4, 10, 1);
        assert!((found.inertia - INERTIA).abs() < 1e-9, "{}", found.inertia);
        // The same clusters under other numbers.
        let mut names = [usize::MAX; 4];
        for (row, label) in points.rows().zip(labels) {
            let own = found.nearest(row).0;
            if names[own] == usize::MAX {
                names[own] = label;
            }
            assert_eq!(names[own], label);
        }
    }

    #[test]
    fn as_many_clusters_as_distinct_points_leave_no_distance() {
        let points = Matrix::new(vec![0.0, 0.0, 1.0, 1.0, 5.0, 9.0], 1);
        for seed in 0..20 {
            let found = k_means(&points, 4, 1, seed);
            assert_eq!((found.centres.len(), found.inertia), (4, 0.0));
        }
    }

    const SILHOUETTE: f64 = 0.6748067084670584;
    const INERTIA: f64 = 1216.125768766667;
}
