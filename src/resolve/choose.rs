//! Which blocking candidates are worth their pairs: greedy coverage of likely matches under a budget.
//!
//! Knows what each candidate costs and which matches it finds; refuses to know keys and rows.

/// A rule finds at least this share of all matches anew.
const WORTH: f64 = 0.002;

/// Keys by place, and what they cost.
#[derive(Clone)]
pub(super) struct Combination {
    pub(super) name: String,
    pub(super) keys: Vec<usize>,
    pub(super) pairs: u64,
}

/// A likely match that was drawn.
pub(super) struct Match {
    pub(super) l: u32,
    pub(super) r: u32,
    /// How many matches it stands for: its probability over the chance that it was drawn.
    pub(super) value: f64,
    pub(super) chance: f64,
    /// The candidates that find it, ascending.
    pub(super) of: Vec<u32>,
}

/// How much a rule's pairs weigh against what it finds: nothing, or fully, or between. With many
/// pairs to spare and few rules to give, the dear rules that find much are better.
const CARE: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Chooses with each care; of the choices that find about as much as the best, the one of the
/// fewest pairs.
pub(super) fn choose(
    combinations: &[Combination],
    matches: &[Match],
    budget: u64,
    most: usize,
) -> Vec<usize> {
    let all: f64 = matches.iter().map(|own| own.value).sum();
    let mut finds: Vec<Vec<usize>> = vec![Vec::new(); combinations.len()];
    for (place, own) in matches.iter().enumerate() {
        own.of.iter().for_each(|candidate| finds[*candidate as usize].push(place));
    }
    let choices = CARE.map(|care| {
        Choice {
            combinations,
            matches,
            finds: &finds,
            least: (all * WORTH).max(1.0),
            chosen: Vec::new(),
            times: vec![0; matches.len()],
        }
        .made(budget, most, care)
    });
    let best = choices.iter().map(Choice::found).fold(0.0, f64::max);
    let worthy = choices.into_iter().filter(|own| own.found() >= best - (all * WORTH).max(1.0));
    worthy.min_by_key(Choice::pairs).map(|own| own.chosen).unwrap_or_default()
}

/// A choice of candidates in the making.
struct Choice<'a> {
    combinations: &'a [Combination],
    matches: &'a [Match],
    finds: &'a [Vec<usize>],
    /// What a rule must find to be worth its place.
    least: f64,
    chosen: Vec<usize>,
    /// By match, how many of the chosen find it.
    times: Vec<u32>,
}

impl Choice<'_> {
    fn pairs(&self) -> u64 {
        self.chosen.iter().map(|place| self.combinations[*place].pairs).sum()
    }

    fn found(&self) -> f64 {
        let found = self.matches.iter().zip(&self.times).filter(|(_, times)| **times > 0);
        found.map(|(own, _)| own.value).sum()
    }

    /// What a candidate finds of the matches that so many of the chosen find.
    fn finds(&self, place: usize, times: u32) -> f64 {
        let own = self.finds[place].iter().filter(|found| self.times[**found] == times);
        own.map(|found| self.matches[*found].value).sum()
    }

    /// Adds the best candidates while the budget lasts, drops what became superfluous, and adds
    /// once more in the room that this made.
    fn made(mut self, budget: u64, most: usize, care: f64) -> Self {
        self.add(budget, most, care);
        if self.drop_superfluous() {
            self.add(budget, most, care);
            self.drop_superfluous();
        }
        self.chosen.sort_by_key(|place| (self.combinations[*place].pairs, *place));
        self
    }

    fn add(&mut self, budget: u64, most: usize, care: f64) {
        while self.chosen.len() < most {
            let left = budget - self.pairs();
            let best = (0..self.combinations.len())
                .filter(|place| self.combinations[*place].pairs <= left)
                .map(|place| (place, self.finds(place, 0)))
                .filter(|(_, gain)| *gain >= self.least)
                .max_by(|a, b| {
                    let worth = |(place, gain): &(usize, f64)| {
                        gain / (self.combinations[*place].pairs as f64).powf(care)
                    };
                    worth(a).total_cmp(&worth(b)).then(b.0.cmp(&a.0))
                });
            let Some((place, _)) = best else { break };
            self.finds[place].iter().for_each(|found| self.times[*found] += 1);
            self.chosen.push(place);
        }
    }

    fn drop_superfluous(&mut self) -> bool {
        let before = self.chosen.len();
        for place in self.chosen.clone() {
            if self.finds(place, 1) < self.least {
                self.finds[place].iter().for_each(|found| self.times[*found] -= 1);
                self.chosen.retain(|own| *own != place);
            }
        }
        self.chosen.len() < before
    }
}
