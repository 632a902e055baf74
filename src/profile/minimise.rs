//! The least value of a function of a few numbers: Nelder and Mead (1965).
//!
//! Knows no derivative and no chance: the same function and start give the same answer.

/// Steps of one descent at most.
const STEPS: usize = 4000;
/// A descent ends when the values at its corners differ less than this, relative to the value.
const TOLERANCE: f64 = 1e-13;
/// A new simplex is begun from the best corner until that gains less than this, or so often.
const GAIN: f64 = 1e-11;
const RESTARTS: usize = 10;

/// Where `f` is least, near `start`, and its value there. What is not a number is never least.
pub(crate) fn minimise<const N: usize>(
    start: [f64; N],
    mut f: impl FnMut(&[f64; N]) -> f64,
) -> ([f64; N], f64) {
    let mut value = move |point: &[f64; N]| {
        let value = f(point);
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let mut best = (start, value(&start));
    for restart in 0..RESTARTS {
        // Nelder-Mead can stall away from a minimum: a fresh simplex shows it.
        let found = descend(best, if restart == 0 { 0.5 } else { 0.1 }, &mut value);
        let gain = best.1 - found.1;
        if found.1 <= best.1 {
            best = found;
        }
        if restart > 0 && gain <= GAIN * best.1.abs().max(1.0) {
            break;
        }
    }
    best
}

type Corner<const N: usize> = ([f64; N], f64);

fn descend<const N: usize>(
    start: Corner<N>,
    size: f64,
    value: &mut impl FnMut(&[f64; N]) -> f64,
) -> Corner<N> {
    let mut corners: Vec<Corner<N>> = vec![start];
    for axis in 0..N {
        let mut point = start.0;
        point[axis] += size;
        corners.push((point, value(&point)));
    }
    for _ in 0..STEPS {
        corners.sort_by(|l, r| l.1.total_cmp(&r.1));
        let (best, worst, second) = (corners[0], corners[N], corners[N - 1]);
        if worst.1 - best.1 <= TOLERANCE * best.1.abs().max(1.0) {
            break;
        }
        let mut middle = [0.0; N];
        for (point, _) in &corners[..N] {
            for axis in 0..N {
                middle[axis] += point[axis] / N as f64;
            }
        }
        // The point so far beyond the middle, seen from the worst corner.
        let mut beyond = |far: f64| {
            let point: [f64; N] =
                std::array::from_fn(|axis| middle[axis] + far * (middle[axis] - worst.0[axis]));
            (point, value(&point))
        };
        let reflected = beyond(1.0);
        if reflected.1 < best.1 {
            let expanded = beyond(2.0);
            corners[N] = if expanded.1 < reflected.1 { expanded } else { reflected };
        } else if reflected.1 < second.1 {
            corners[N] = reflected;
        } else {
            let contracted = beyond(if reflected.1 < worst.1 { 0.5 } else { -0.5 });
            if contracted.1 < worst.1.min(reflected.1) {
                corners[N] = contracted;
            } else {
                for corner in &mut corners[1..] {
                    let point: [f64; N] =
                        std::array::from_fn(|axis| (corner.0[axis] + best.0[axis]) / 2.0);
                    *corner = (point, value(&point));
                }
            }
        }
    }
    corners.sort_by(|l, r| l.1.total_cmp(&r.1));
    corners[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrocks_valley_is_walked_to_its_end() {
        let valley =
            |p: &[f64; 2]| (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2) + 7.0;
        let (point, value) = minimise([-1.2, 1.0], valley);
        assert!((point[0] - 1.0).abs() < 1e-5 && (point[1] - 1.0).abs() < 1e-5, "{point:?}");
        assert!((value - 7.0).abs() < 1e-10);
    }

    #[test]
    fn what_is_not_a_number_is_walked_around() {
        let hole = |p: &[f64; 1]| if p[0] < 0.0 { f64::NAN } else { (p[0] - 0.25).powi(2) };
        let (point, _) = minimise([3.0], hole);
        assert!((point[0] - 0.25).abs() < 1e-5, "{point:?}");
    }
}
