//! How well rows lie in their clusters: the mean silhouette (Rousseeuw 1987).
//!
//! Knows distances and labels; refuses to know how labels were found.

use super::matrix::{Matrix, squared_distance};

/// The mean silhouette of each labelling of the points; labels count from 0. A point alone in its
/// cluster counts 0, as does a labelling of one cluster. Distances are computed once for all
/// labellings: the time is that of all pairs.
pub(crate) fn silhouettes(points: &Matrix, labellings: &[&Vec<usize>]) -> Vec<f64> {
    let sizes: Vec<Vec<f64>> = labellings
        .iter()
        .map(|labels| {
            let mut sizes = vec![0.0; labels.iter().max().map_or(0, |most| most + 1)];
            labels.iter().for_each(|label| sizes[*label] += 1.0);
            sizes
        })
        .collect();
    let mut totals = vec![0.0; labellings.len()];
    let mut sums: Vec<Vec<f64>> = sizes.clone();
    for own in 0..points.len() {
        sums.iter_mut().for_each(|sums| sums.fill(0.0));
        for other in 0..points.len() {
            let distance = squared_distance(points.row(own), points.row(other)).sqrt();
            for (labels, sums) in labellings.iter().zip(&mut sums) {
                sums[labels[other]] += distance;
            }
        }
        for (place, labels) in labellings.iter().enumerate() {
            totals[place] += silhouette(labels[own], &sizes[place], &sums[place]);
        }
    }
    totals.iter().map(|total| total / points.len().max(1) as f64).collect()
}

/// The silhouette of a point, of the sizes of clusters and the sums of distances to their points.
fn silhouette(own: usize, sizes: &[f64], sums: &[f64]) -> f64 {
    if sizes[own] < 2.0 {
        return 0.0;
    }
    let within = sums[own] / (sizes[own] - 1.0);
    let between = (0..sizes.len())
        .filter(|label| *label != own && sizes[*label] > 0.0)
        .map(|label| sums[label] / sizes[label])
        .fold(f64::INFINITY, f64::min);
    let most = within.max(between);
    if between.is_finite() && most > 0.0 { (between - within) / most } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two pairs at distance 1, 9 apart.
    #[test]
    fn silhouettes_by_hand() {
        let points = Matrix::new(vec![0.0, 1.0, 10.0, 11.0], 1);
        let (two, one, alone) = (vec![0, 0, 1, 1], vec![0; 4], vec![0, 1, 2, 3]);
        let known = (2.0 * (1.0 - 1.0 / 10.5) + 2.0 * (1.0 - 1.0 / 9.5)) / 4.0;
        let found = silhouettes(&points, &[&two, &one, &alone]);
        assert!((found[0] - known).abs() < 1e-15);
        assert_eq!(found[1..], [0.0, 0.0]);
    }
}
