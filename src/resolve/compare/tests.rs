//! The table of comparisons, and what every kind of it promises.

use proptest::prelude::*;

use super::*;

#[test]
fn the_table_is_sorted_documented_and_complete() {
    assert!(COMPARISONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    for kind in COMPARISONS {
        assert!(kind.description.len() > 20 && kind.description.ends_with('.'), "{}", kind.name);
        assert!(kind.levels.len() >= 2, "{}", kind.name);
        assert_eq!(kind.levels.last(), Some(&"else"), "{}", kind.name);
        let takes = kind.levels.iter().any(|level| level.contains("{}"));
        assert_eq!(takes, !kind.thresholds.is_empty(), "{}", kind.name);
        assert!(kind.level_names(kind.thresholds).len() <= MAX_LEVELS, "{}", kind.name);
    }
}

#[test]
fn each_kind_gives_only_levels_that_it_names() {
    let texts =
        ["", "a", "ana", "2020-01-31", "2020-01-01", "x@y.org", "+442071234567", "12", "12.5 rue"];
    for kind in COMPARISONS.iter().filter(|kind| !kind.of_conditions()) {
        for l in texts {
            for r in texts {
                testing::level(
                    kind.name,
                    &vec![l; kind.columns.len()],
                    &vec![r; kind.columns.len()],
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any two values, of any kind: `testing::level` holds that both sides give one level, alone and
    /// in a chunk.
    #[test]
    fn every_kind_is_symmetric(
        l in "[a-cA1-3 @.é\u{645}\u{62d}/-]{0,14}",
        r in "[a-cA1-3 @.é\u{645}\u{62d}/-]{0,14}",
    ) {
        for kind in COMPARISONS.iter().filter(|kind| !kind.of_conditions()) {
            let columns = kind.columns.len();
            testing::level(kind.name, &vec![&l[..]; columns], &vec![&r[..]; columns]);
        }
    }
}
