//! How a pair is compared: a file a comparison, and the table of them.
//!
//! Knows codes and levels; refuses to know weights. A comparison sees each distinct value once, to
//! prepare it, and then only codes. Levels nest from strict to loose: 1 is the strictest, the last
//! is all else, 0 says that a value is missing and that nothing is known.

mod address;
mod character_jaccard;
mod cosine;
mod damerau_levenshtein;
mod date;
mod date_difference;
mod edit_distance;
mod email;
mod exact;
mod free_text;
mod full_name;
mod geographic_distance;
mod handle;
mod jaro;
mod jaro_winkler;
mod levenshtein;
mod list_jaccard;
mod list_overlap;
mod name;
mod numeric;
mod numeric_difference;
mod organisation_name;
mod person_name;
mod phone;
mod postcode;
mod sql;
mod street_address;
mod terms;
mod tokens;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use list_overlap::as_text as list_as_text;
pub(crate) use terms::{Part, TermText, Terms, agreement};

use super::columns::{Columns, Dictionary, MISSING, Tuples, touch};

use super::settings::{ComparisonSettings, Level};
use crate::error::{Error, Result};
use crate::threads::{self, each, interleaved, largest_first, parallel, ranges};

/// Where a value is missing.
pub(crate) const UNKNOWN: u8 = 0;

/// Raised where levels come to mean something else: models are then trained, and pairs compared,
/// anew.
pub(crate) const MEANING: u32 = 2;

/// The most levels that a comparison may have, so that a level takes four bits.
pub(crate) const MAX_LEVELS: usize = 15;

/// The most comparisons of a model, so that a pair's levels are one 64-bit number.
pub(crate) const MAX_COMPARISONS: usize = 16;

/// Compares two codes of prepared values. Symmetric and pure.
pub(crate) trait Comparator: Send + Sync {
    /// The level of two values, 0 where nothing can be said.
    fn level(&self, l: u32, r: u32) -> u8;

    /// The levels of many pairs, column at a time: the same as `level` gives of each. A comparator
    /// that works on batches alone answers `level` by a batch of one.
    fn levels(&self, l: &[u32], r: &[u32], out: &mut [u8]) {
        for ((l, r), out) in l.iter().zip(r).zip(out) {
            *out = self.level(*l, *r);
        }
    }

    /// These values alone, for who compares each with each, where it is worth looking at them
    /// beforehand.
    fn among<'a>(&'a self, _codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        None
    }

    /// Why levels that were given cannot be trusted: asked once pairs have been compared.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// The parts of which frequencies are counted. `None`: the values themselves are the one part.
    fn terms(&self) -> Option<Vec<Part>> {
        None
    }

    /// The parts on which a pair at this level agrees, the first in the lowest bit.
    fn agreed(&self, level: u8) -> u8 {
        u8::from(level == 1)
    }
}

/// Values that are each compared with each, known by their places. Of most two of them nothing is to
/// be told but that they agree on nothing.
pub(crate) trait Crowd: Send + Sync {
    /// Adds the values before this one that do not stand to it at the loosest level, and at which
    /// they do, as the comparator has it: ascending.
    fn before(&self, place: usize, found: &mut Vec<(u32, u8)>);
}

/// Values of which an outline, a few bytes long, tells most from each other.
struct Outlined<'a, Outline, Far> {
    comparator: &'a dyn Comparator,
    codes: &'a [u32],
    outlines: Vec<Outline>,
    /// Whether two values surely agree on nothing.
    far: Far,
    /// The level of such.
    loosest: u8,
}

impl<Outline, Far> Crowd for Outlined<'_, Outline, Far>
where
    Outline: Send + Sync,
    Far: Fn(&Outline, &Outline) -> bool + Send + Sync,
{
    fn before(&self, place: usize, found: &mut Vec<(u32, u8)>) {
        let (code, own) = (self.codes[place], &self.outlines[place]);
        for ((at, other_code), other) in (0..).zip(self.codes).zip(&self.outlines[..place]) {
            if !(self.far)(own, other) {
                let level = self.comparator.level(code, *other_code);
                if level != self.loosest {
                    found.push((at, level));
                }
            }
        }
    }
}

/// Makes a comparator of the distinct values and the thresholds.
type Build = fn(&Arc<Tuples>, &[f64]) -> Box<dyn Comparator>;

/// A kind of comparison.
pub struct ComparisonKind {
    /// Its name, in a pipeline's `type`.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What its columns hold, in order; none where its levels are conditions.
    pub columns: &'static [&'static str],
    /// Its levels from strict to loose; `{}` stands for a threshold: a distance that rises after
    /// `<=`, else a similarity that falls, between 0 and 1 unless a unit follows.
    pub levels: &'static [&'static str],
    /// The thresholds where a pipeline gives none; empty where the kind takes none.
    pub thresholds: &'static [f64],
    /// Brings a raw value to the form that is compared, and drops what says nothing.
    normalise: for<'a> fn(column: usize, &'a str) -> Option<Cow<'a, str>>,
    build: Build,
}

/// Every kind of comparison, sorted by name.
pub const COMPARISONS: &[ComparisonKind] = &[
    address::KIND,
    character_jaccard::KIND,
    cosine::KIND,
    damerau_levenshtein::KIND,
    date::KIND,
    date_difference::KIND,
    edit_distance::KIND,
    email::KIND,
    exact::KIND,
    free_text::KIND,
    full_name::KIND,
    geographic_distance::KIND,
    handle::KIND,
    jaro::KIND,
    jaro_winkler::KIND,
    levenshtein::KIND,
    list_jaccard::KIND,
    list_overlap::KIND,
    numeric::KIND,
    numeric_difference::KIND,
    organisation_name::KIND,
    person_name::KIND,
    phone::KIND,
    postcode::KIND,
    sql::KIND,
    street_address::KIND,
    tokens::KIND,
];

impl ComparisonKind {
    /// The kind of this name.
    pub fn find(name: &str) -> Option<&'static ComparisonKind> {
        COMPARISONS.iter().find(|kind| kind.name == name)
    }

    /// The names of the levels for these thresholds: a level with `{}` comes once a threshold.
    pub fn level_names(&self, thresholds: &[f64]) -> Vec<String> {
        let mut names = Vec::new();
        for level in self.levels {
            if level.contains("{}") {
                names.extend(thresholds.iter().map(|t| level.replace("{}", &t.to_string())));
            } else {
                names.push((*level).to_owned());
            }
        }
        names
    }

    /// Whether its levels are conditions on pairs, in SQL.
    pub fn of_conditions(&self) -> bool {
        self.columns.is_empty()
    }

    /// The name of a level that takes thresholds.
    fn measured(&self) -> Option<&'static str> {
        self.levels.iter().copied().find(|level| level.contains("{}"))
    }

    /// What follows a threshold in the name of its level.
    fn unit(&self) -> Option<&'static str> {
        let (_, after) = self.measured()?.split_once("{}")?;
        after.split_whitespace().next()
    }

    /// The thresholds that these settings ask for.
    ///
    /// # Errors
    /// What is wrong with them and what would mend it.
    pub(crate) fn thresholds_of(&self, levels: &[Level]) -> std::result::Result<Vec<f64>, String> {
        if self.of_conditions() {
            let whole = levels.iter().all(|level| matches!(level, Level::Text(_)));
            let some = (1..MAX_LEVELS).contains(&levels.len());
            return match whole && some {
                true => Ok(Vec::new()),
                false => Err(format!("levels are conditions, 1 to {} of them", MAX_LEVELS - 1)),
            };
        }
        if levels.is_empty() {
            return Ok(self.thresholds.to_vec());
        }
        let Some(measured) = self.measured() else {
            return Err(format!("`{}` takes no levels", self.name));
        };
        if self.levels.len() - 1 + levels.len() > MAX_LEVELS {
            return Err("too many levels".to_owned());
        }
        let unit = self.unit();
        let asked: Option<Vec<f64>> = levels.iter().map(|level| level.threshold(unit)).collect();
        let Some(asked) = asked else {
            return Err(format!("a level that is no threshold of `{measured}`"));
        };
        let (falls, most) = match (measured.contains("<= {}"), unit) {
            (true, _) => (false, f64::MAX),
            (false, Some(_)) => (true, f64::MAX),
            (false, None) => (true, 1.0),
        };
        let ordered =
            asked.windows(2).all(|pair| if falls { pair[0] > pair[1] } else { pair[0] < pair[1] });
        if ordered && asked.iter().all(|level| (0.0..=most).contains(level)) {
            return Ok(asked);
        }
        Err(match (falls, most < f64::MAX) {
            (true, true) => "levels are between 0 and 1 and fall".to_owned(),
            (true, false) => "levels are not negative and fall".to_owned(),
            (false, _) => "levels are distances: not negative, and they rise".to_owned(),
        })
    }
}

/// The code of each row, `MISSING` for none. Codes of all comparisons lie together, row after row:
/// who asks for one asks for the others too.
pub(crate) struct Codes {
    all: Arc<Vec<u32>>,
    width: usize,
    place: usize,
}

impl Codes {
    /// The code of a row.
    #[inline]
    pub(crate) fn of(&self, row: u32) -> u32 {
        self.all[row as usize * self.width + self.place]
    }
}

/// A comparison over the records at hand: codes by row, and a comparator of codes.
pub(crate) struct Comparison {
    /// Its name.
    pub(crate) name: String,
    /// The name of its kind.
    pub(crate) kind: &'static str,
    /// SQL of its columns.
    pub(crate) columns: Vec<String>,
    /// The thresholds in force.
    pub(crate) thresholds: Vec<f64>,
    /// Names of its levels, from strict to loose.
    pub(crate) levels: Vec<String>,
    /// Whether agreement on a rare value weighs more.
    pub(crate) term_frequency: bool,
    /// Distinct values.
    pub(crate) tuples: Arc<Tuples>,
    /// The code of each row.
    pub(crate) codes: Codes,
    /// The level of each value with itself: not 1 where a part of it is missing.
    pub(crate) own_level: Vec<u8>,
    /// Parts of the values, where agreement on a rare one weighs more; else none.
    pub(crate) terms: Vec<Terms>,
    comparator: Box<dyn Comparator>,
}

impl Comparison {
    /// Prepares a comparison over its columns' arrays, as tests do.
    #[cfg(test)]
    pub(crate) fn new(
        settings: &ComparisonSettings,
        arrays: &[&arrow::array::ArrayRef],
    ) -> Result<Self> {
        let (kind, thresholds) = Self::asked(settings, arrays.len())?;
        let columns = arrays
            .iter()
            .zip(&settings.columns)
            .enumerate()
            .map(|(place, (array, what))| {
                let plain = Dictionary::plain(&list_overlap::as_text(array), what)?;
                plain.normalised(|text| (kind.normalise)(place, text))
            })
            .collect::<Result<_>>()?;
        Self::of(settings, kind, thresholds, columns)
    }

    /// Prepares comparisons over columns that were coded, column by column, then one by one;
    /// `of_conditions` prepares those whose levels are conditions. The columns as they were coded
    /// are dropped between.
    pub(crate) fn all(
        settings: &[ComparisonSettings],
        columns: Columns<'_>,
        threads: usize,
        of_conditions: &dyn Fn(&ComparisonSettings) -> Result<Self>,
    ) -> Result<Vec<Self>> {
        let conditions = |own: &ComparisonSettings| {
            ComparisonKind::find(&own.kind).is_some_and(ComparisonKind::of_conditions)
        };
        let coded: Vec<&ComparisonSettings> =
            settings.iter().filter(|own| !conditions(own)).collect();
        let mut coded = Self::coded(&coded, columns, threads)?.into_iter();
        let lost = || Error::bug("a comparison was not prepared");
        settings
            .iter()
            .map(|own| match conditions(own) {
                true => of_conditions(own),
                false => coded.next().ok_or_else(lost),
            })
            .collect()
    }

    fn coded(
        settings: &[&ComparisonSettings],
        columns: Columns<'_>,
        threads: usize,
    ) -> Result<Vec<Self>> {
        let mut asked = Vec::new();
        let mut sources = Vec::new();
        for (place, own) in settings.iter().enumerate() {
            asked.push(Self::asked(own, own.columns.len())?);
            sources.extend((0..own.columns.len()).map(|column| (place, column)));
        }
        let code = |(place, column): (usize, usize)| -> Result<Dictionary> {
            let (kind, sql) = (asked[place].0, &settings[place].columns[column]);
            let plain = columns.text(sql, list_overlap::as_text)?;
            plain.normalised(|text| (kind.normalise)(column, text))
        };
        let values =
            |(place, column): &(usize, usize)| columns.distinct(&settings[*place].columns[*column]);
        let coded = largest_first(sources, threads, values, code)?;
        drop(columns);
        let mut coded = coded.into_iter();
        let mut given: Vec<(usize, Vec<Dictionary>)> = Vec::new();
        for (place, own) in settings.iter().enumerate() {
            let columns = coded.by_ref().take(own.columns.len()).collect::<Result<_>>()?;
            given.push((place, columns));
        }
        // Columns are put together row by row: of many it takes longest.
        let size = |(_, columns): &(usize, Vec<Dictionary>)| {
            (columns.len(), columns.iter().map(|own| own.values.len()).max())
        };
        let made = largest_first(given, threads, size, |(place, columns)| {
            let (kind, thresholds) = &asked[place];
            Self::of(settings[place], kind, thresholds.clone(), columns)
        })?;
        made.into_iter().collect()
    }

    /// The kind and the thresholds that are asked for.
    fn asked(
        settings: &ComparisonSettings,
        columns: usize,
    ) -> Result<(&'static ComparisonKind, Vec<f64>)> {
        let kind = ComparisonKind::find(&settings.kind).ok_or_else(|| {
            let names: Vec<&str> = COMPARISONS.iter().map(|kind| kind.name).collect();
            Error::configuration(format!(
                "comparison `{}`: unknown type `{}`",
                settings.name, settings.kind
            ))
            .help(format!("one of {}", names.join(", ")))
        })?;
        if columns != kind.columns.len() {
            return Err(Error::configuration(format!(
                "comparison `{}`: `{}` takes {} columns, {} are given",
                settings.name,
                kind.name,
                kind.columns.len(),
                columns
            ))
            .help(format!("columns: [{}]", kind.columns.join(", "))));
        }
        let thresholds = kind.thresholds_of(&settings.levels).map_err(|what| {
            Error::configuration(format!("comparison `{}`: {what}", settings.name))
                .help("levels: a threshold for each level, from strict to loose, as [0.92, 0.8]")
        })?;
        Ok((kind, thresholds))
    }

    /// Prepares a comparison over its columns as they are compared.
    fn of(
        settings: &ComparisonSettings,
        kind: &'static ComparisonKind,
        thresholds: Vec<f64>,
        columns: Vec<Dictionary>,
    ) -> Result<Self> {
        let (tuples, codes) = Tuples::new(columns);
        let tuples = Arc::new(tuples);
        let comparator = (kind.build)(&tuples, &thresholds);
        let levels = kind.level_names(&thresholds);
        Self::assemble(settings, kind, (tuples, codes), thresholds, levels, comparator)
    }

    fn assemble(
        settings: &ComparisonSettings,
        kind: &ComparisonKind,
        (tuples, codes): (Arc<Tuples>, Vec<u32>),
        thresholds: Vec<f64>,
        levels: Vec<String>,
        comparator: Box<dyn Comparator>,
    ) -> Result<Self> {
        let own_level = own_levels(&*comparator, tuples.len())?;
        let terms = match (settings.term_frequency, comparator.terms()) {
            (false, _) => Vec::new(),
            (true, Some(parts)) => each(parts, threads::count(), |own| Terms::new(own, &tuples))?,
            (true, None) => {
                let whole = |(code, level): (u32, &u8)| if *level == 1 { code } else { MISSING };
                let codes = (0..).zip(&own_level).map(whole).collect();
                let values = Arc::clone(&tuples);
                let text = Box::new(move |code| values.value_hash(code));
                vec![Terms::new(Part { codes, text }, &tuples)]
            }
        };
        Ok(Self {
            name: settings.name.clone(),
            kind: kind.name,
            columns: settings.columns.clone(),
            levels,
            thresholds,
            term_frequency: settings.term_frequency,
            tuples,
            codes: Codes { all: Arc::new(codes), width: 1, place: 0 },
            own_level,
            terms,
            comparator,
        })
    }

    /// The parts on which a pair at this level agrees.
    pub(crate) fn agreed(&self, level: u8) -> u8 {
        self.comparator.agreed(level)
    }

    /// Whether two values agree strictly only where they are equal: conditions hold of others too,
    /// and an account is called as the mailbox of another record.
    pub(crate) fn agrees_by_value(&self) -> bool {
        !matches!(self.kind, "handle" | "sql")
    }

    /// Whether two rows are known and agree on nothing: at the loosest level.
    pub(crate) fn unlike(&self, l: u32, r: u32) -> bool {
        let (l, r) = (self.codes.of(l), self.codes.of(r));
        let known = l != MISSING && r != MISSING && l != r;
        known && usize::from(self.comparator.level(l, r)) == self.levels.len()
    }

    /// Whether a row has a whole name of a person, neither an initial nor half of one.
    pub(crate) fn is_whole_name(&self, row: u32) -> bool {
        let code = self.codes.of(row);
        self.is_of_names() && code != MISSING && self.own_level[code as usize] == 1
    }

    /// Whether names of persons are compared.
    pub(crate) fn is_of_names(&self) -> bool {
        self.kind == person_name::KIND.name
    }

    /// Compares known values, by their codes.
    pub(crate) fn comparator(&self) -> &dyn Comparator {
        &*self.comparator
    }

    /// The level of two rows.
    fn level(&self, l: u32, r: u32) -> u8 {
        match (self.codes.of(l), self.codes.of(r)) {
            (MISSING, _) | (_, MISSING) => UNKNOWN,
            (l, r) if l == r => self.own_level[l as usize],
            (l, r) => self.comparator.level(l, r),
        }
    }

    /// The levels of pairs of rows, into `scratch.levels`. Only pairs whose values are known and
    /// differ reach the comparator.
    fn levels(&self, scratch: &mut Scratch, l: &[u32], r: &[u32]) {
        let Scratch { l: left, r: right, places, found, levels, .. } = scratch;
        left.clear();
        right.clear();
        places.clear();
        levels.clear();
        for (place, (l, r)) in l.iter().zip(r).enumerate() {
            let (l, r) = (self.codes.of(*l), self.codes.of(*r));
            levels.push(if l == MISSING || r == MISSING {
                UNKNOWN
            } else if l == r {
                self.own_level[l as usize]
            } else {
                left.push(l);
                right.push(r);
                places.push(place as u32);
                UNKNOWN
            });
        }
        found.clear();
        found.resize(left.len(), UNKNOWN);
        self.comparator.levels(left, right, found);
        for (place, level) in places.iter().zip(found) {
            levels[*place as usize] = *level;
        }
    }
}

/// Values that a thread compares with themselves at a time.
const OWN: usize = 1 << 14;

/// The level of each value with itself.
fn own_levels(comparator: &dyn Comparator, values: usize) -> Result<Vec<u8>> {
    let parts = ranges(values, OWN);
    let part = |(): &mut (), place: usize| {
        let own: Vec<u32> = parts[place].clone().map(|code| code as u32).collect();
        let mut levels = vec![UNKNOWN; own.len()];
        comparator.levels(&own, &own, &mut levels);
        levels
    };
    Ok(parallel(parts.len(), threads::count(), || (), part)?.concat())
}

/// The first of rising thresholds under which a distance stays, as a level from `first` on; the
/// level after them where it passes all.
pub(crate) fn distance_level(distance: f64, thresholds: &[f64], first: u8) -> u8 {
    let place = thresholds.iter().position(|t| distance <= *t).unwrap_or(thresholds.len());
    first + place as u8
}

/// What a thread needs to compare pairs, used again for each chunk.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    l: Vec<u32>,
    r: Vec<u32>,
    /// Where the codes above stand in the chunk.
    places: Vec<u32>,
    found: Vec<u8>,
    levels: Vec<u8>,
    patterns: Vec<u64>,
}

/// All comparisons of a model over the records at hand.
pub(crate) struct Comparisons {
    /// In the order of the settings.
    pub(crate) list: Vec<Comparison>,
}

impl Comparisons {
    /// Lays the codes of these comparisons together.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(crate) fn new(mut list: Vec<Comparison>, threads: usize) -> Result<Self> {
        let columns: Vec<&[u32]> = list.iter().map(|own| &own.codes.all[..]).collect();
        let all = Arc::new(interleaved(&columns, threads)?);
        let width = list.len();
        for (place, own) in list.iter_mut().enumerate() {
            own.codes = Codes { all: Arc::clone(&all), width, place };
        }
        Ok(Self { list })
    }

    /// A pair's levels as one number, four bits a comparison, the first in the lowest bits.
    pub(crate) fn pattern(&self, l: u32, r: u32) -> u64 {
        let levels = self.list.iter().enumerate();
        levels.fold(0, |pattern, (place, own)| pattern | u64::from(own.level(l, r)) << (4 * place))
    }

    /// Reads the codes of rows that will be looked at.
    pub(crate) fn touch(&self, rows: impl Iterator<Item = u32>) {
        // Those of a row lie together.
        if let Some(first) = self.list.first() {
            touch(rows.map(|row| first.codes.of(row)));
        }
    }

    /// The patterns of many pairs, one comparison after another.
    pub(crate) fn patterns<'a>(&self, scratch: &'a mut Scratch, l: &[u32], r: &[u32]) -> &'a [u64] {
        self.touch(l.iter().chain(r).copied());
        scratch.patterns.clear();
        scratch.patterns.resize(l.len(), 0);
        for (place, own) in self.list.iter().enumerate() {
            own.levels(scratch, l, r);
            for (pattern, level) in scratch.patterns.iter_mut().zip(&scratch.levels) {
                *pattern |= u64::from(*level) << (4 * place);
            }
        }
        &scratch.patterns
    }

    /// Fails where a comparator could not compare.
    pub(crate) fn check(&self) -> Result<()> {
        match self.list.iter().find_map(|own| own.comparator.failure()) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

/// One comparison's level in a pattern.
pub(crate) fn level_of(pattern: u64, comparison: usize) -> u8 {
    (pattern >> (4 * comparison) & 15) as u8
}

/// The first of falling thresholds that a similarity reaches, as a level from `first` on; the
/// level after them where it reaches none.
pub(crate) fn threshold_level(similarity: f64, thresholds: &[f64], first: u8) -> u8 {
    let place = thresholds.iter().position(|t| similarity >= *t).unwrap_or(thresholds.len());
    first + place as u8
}

/// The text as it stands.
pub(crate) fn as_is(_: usize, text: &str) -> Option<Cow<'_, str>> {
    Some(text.trim().into())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
