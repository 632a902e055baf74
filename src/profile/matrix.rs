//! Rows of numbers: a sample of them by hash, and their columns standardised.
//!
//! Knows no meaning of a column. Sums go over rows in their order.

use arrow::array::{Array, Float64Array, StringArray};

/// The places, rising, of at most `most` rows: those whose key has the least hash, so that it
/// neither depends on the order of rows nor on what the rows say.
pub(crate) fn sample(keys: &StringArray, most: usize) -> Vec<usize> {
    if keys.len() <= most {
        return (0..keys.len()).collect();
    }
    let hash = |row: usize| *blake3::hash(keys.value(row).as_bytes()).as_bytes();
    let mut hashed: Vec<([u8; 32], usize)> = (0..keys.len()).map(|row| (hash(row), row)).collect();
    hashed.sort_unstable();
    hashed.truncate(most);
    let mut rows: Vec<usize> = hashed.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    rows
}

/// Numbers in rows of one width.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    numbers: Vec<f64>,
    width: usize,
}

impl Matrix {
    /// A matrix of rows of this width, of which there is one number at least.
    pub(crate) fn new(numbers: Vec<f64>, width: usize) -> Self {
        Self { numbers, width }
    }

    /// Columns of one length, each with mean 0 and standard deviation 1 among known values. A
    /// value that is not known is at the mean; a column that does not vary is 0 throughout.
    pub(crate) fn standardised(columns: &[&Float64Array]) -> Self {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut numbers = vec![0.0; rows * columns.len()];
        for (place, column) in columns.iter().enumerate() {
            let known = (column.len() - column.null_count()) as f64;
            let mean = column.iter().flatten().sum::<f64>() / known;
            let squares: f64 = column.iter().flatten().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / known).sqrt();
            // What is left of equal values by rounding is not a variation.
            if !deviation.is_finite() || deviation <= 1e-12 * mean.abs() {
                continue;
            }
            for (row, value) in column.iter().enumerate() {
                if let Some(value) = value {
                    numbers[row * columns.len() + place] = (value - mean) / deviation;
                }
            }
        }
        Self::new(numbers, columns.len())
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len() / self.width.max(1)
    }

    /// How many numbers a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// One row.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.width..(row + 1) * self.width]
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.width.max(1))
    }

    /// Some rows, as a matrix.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self::new(rows.iter().flat_map(|row| self.row(*row)).copied().collect(), self.width)
    }

    /// How many rows differ from all others.
    pub(crate) fn distinct(&self) -> usize {
        // 0 and -0 are one number.
        let bits = |row: &[f64]| row.iter().map(|n| (n + 0.0).to_bits()).collect::<Vec<u64>>();
        self.rows().map(bits).collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// The square of the distance between two rows.
pub(crate) fn squared_distance(l: &[f64], r: &[f64]) -> f64 {
    l.iter().zip(r).map(|(l, r)| (l - r) * (l - r)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardised_among_what_is_known() {
        let varying = Float64Array::from(vec![Some(1.0), Some(3.0), None, Some(5.0)]);
        let constant = Float64Array::from(vec![0.1 + 0.2; 4]);
        let unknown = Float64Array::from(vec![None; 4]);
        let matrix = Matrix::standardised(&[&varying, &constant, &unknown]);
        let step = (8.0_f64 / 3.0).sqrt();
        let known = [-2.0 / step, 0.0, 0.0, 2.0 / step];
        for (row, known) in known.iter().enumerate() {
            assert_eq!(matrix.row(row), [*known, 0.0, 0.0]);
        }
        assert_eq!(matrix.distinct(), 3);
    }

    #[test]
    fn a_sample_is_of_keys_and_not_of_places() {
        let keys: Vec<String> = (0..100).map(|n| format!("k{n:02}")).collect();
        let all = StringArray::from_iter_values(&keys);
        let chosen: Vec<&str> = sample(&all, 10).into_iter().map(|row| all.value(row)).collect();
        let turned = StringArray::from_iter_values(keys.iter().rev());
        let mut again: Vec<&str> =
            sample(&turned, 10).into_iter().map(|row| turned.value(row)).collect();
        again.reverse();
        assert_eq!(chosen, again);
        assert_eq!(chosen.len(), 10);
        assert_eq!(sample(&all, 100).len(), 100);
    }
}
