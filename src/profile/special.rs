//! Special functions of the models: the logarithm of the gamma function, and the hypergeometric
//! series.
//!
//! Knows numbers only. Of the logarithm of gamma, the implementation is the library's.

/// The logarithm of the gamma function, for numbers above 0.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// Gauss's hypergeometric function 2F1(a, b; c; z) for 0 <= z < 1 and c that is no negative whole
/// number or 0, by its series, to the precision of a double where terms do not cancel.
///
/// The series converges as z^n n^(a+b-c-1): whoever calls it brings it to a form of negative
/// a + b - c where z is near 1 (Abramowitz and Stegun 15.3.3).
pub(crate) fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> f64 {
    const MOST_TERMS: u32 = 200_000;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 0..MOST_TERMS {
        let n = f64::from(n);
        let ratio = (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        term *= ratio;
        sum += term;
        // Once terms fall, what is left of the series is less than a geometric one.
        if ratio.abs() < 1.0 && term.abs() <= f64::EPSILON * (1.0 - ratio.abs()) * f64::abs(sum) {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, known: f64) {
        assert!((found - known).abs() <= 1e-12 * known.abs().max(1.0), "{found}, not {known}");
    }

    /// Known values by scipy.special.gammaln.
    #[test]
    fn the_logarithm_of_gamma_is_the_known_one() {
        for (x, known) in LN_GAMMA {
            near(ln_gamma(*x), *known);
        }
    }

    /// Known values by scipy.special.hyp2f1.
    #[test]
    fn the_hypergeometric_function_is_the_known_one() {
        for (a, b, c, z, known) in HYPERGEOMETRIC {
            near(hypergeometric(*a, *b, *c, *z), *known);
        }
        // 2F1(1, 1; 2; z) = -ln(1 - z) / z and 2F1(a, b; b; z) = (1 - z)^-a, in closed form.
        for z in [0.0_f64, 0.1, 0.5, 0.9, 0.99] {
            let known = if z == 0.0 { 1.0 } else { -(1.0 - z).ln() / z };
            near(hypergeometric(1.0, 1.0, 2.0, z), known);
            near(hypergeometric(0.7, 1.3, 1.3, z), (1.0 - z).powf(-0.7));
        }
    }

    const LN_GAMMA: &[(f64, f64)] = &[
        (0.001, 6.907178885383853),
        (0.243, 1.3180435846996699),
        (0.5, 0.5723649429247),
        (1.0, 0.0),
        (2.0, 0.0),
        (4.414, 2.3352200522018904),
        (10.25, 13.368023671476045),
        (171.5, 709.1431630309283),
        (100000.0, 1051287.7089736569),
    ];

    const HYPERGEOMETRIC: &[(f64, f64, f64, f64, f64)] = &[
        (2.219, -0.207, 5.219, 0.51, 0.9493195392010298),
        (0.5, 0.5, 1.5, 0.25, std::f64::consts::FRAC_PI_3),
        (-0.3, 2.1, 4.4, 0.9, 0.8333626168140051),
        (1.976, -0.207, 5.218999999999999, 0.95, 0.9044174999473129),
        (0.02, 3.0, 9.5, 0.7, 1.0051905307103168),
        (5.5, 1.25, 12.0, 0.85, 1.9652791772660494),
    ];
}
