//! Pairs that a person judged: the file that `simurgh sample` draws, with verdicts written into it.
//!
//! Knows the file and what a verdict is; refuses to know how pairs are drawn and what intervals are.
//! A pipeline names such a file beside the precision that it wants (`thresholds.sample`), and the
//! threshold is the one that the sample shows to keep it. Another model gives other weights, so that
//! a run says when the sample was drawn of a model that it does not use.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Loaded;
use crate::error::{Error, Result};
use crate::resolve::{RecordKey, Resolve, StewardDecision, Stratum, threshold};

/// A judged sample.
#[derive(Debug, Default)]
pub struct Judged {
    /// Its strata, ascending.
    pub strata: Vec<Stratum>,
    /// Hashes of the models whose weights it is of.
    pub models: BTreeSet<String>,
    /// Pairs with a verdict.
    pub verdicts: Vec<StewardDecision>,
}

/// What a sample makes of a kind's settings.
pub(super) struct Applied<'a> {
    /// The settings, with the threshold that the sample chose.
    pub(super) settings: Cow<'a, Resolve>,
    /// What a person should know.
    warnings: Vec<String>,
    models: BTreeSet<String>,
}

/// What a file must be.
const HELP: &str = "the file is one that `simurgh sample` wrote, with `match` or `different` in the column verdict, \
                    or nothing where a pair was not judged";

/// Columns of a CSV file, row by row; those that are optional are empty where the file lacks them.
///
/// # Errors
/// Where it cannot be read as CSV or lacks a column, with its line.
pub fn table(path: &Path, columns: &[&str], optional: &[&str]) -> Result<Vec<Vec<String>>> {
    let needed = format!("the columns are {}", columns.join(", "));
    let unreadable = |source: csv::Error| {
        let place = source.position().map(|at| format!(", line {}", at.line())).unwrap_or_default();
        Error::data(format!("{}{place}: cannot be read as CSV", path.display()))
            .help(format!("it must be a CSV file; {needed}"))
    };
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    let headers = reader.headers().map_err(unreadable)?.clone();
    let place = |name: &str| {
        headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name)
    };
    let mut places = Vec::new();
    for name in columns {
        let place = place(name).ok_or_else(|| {
            Error::data(format!("{}: column `{name}` is missing", path.display()))
                .help(needed.clone())
        })?;
        places.push(Some(place));
    }
    places.extend(optional.iter().map(|name| place(name)));
    reader
        .records()
        .map(|row| {
            let row = row.map_err(unreadable)?;
            let cell = |at: &Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
            Ok(places.iter().map(|at| cell(at).to_owned()).collect())
        })
        .collect()
}

/// What a verdict says; `None` where the pair was not judged.
///
/// # Errors
/// Where it is no verdict.
pub fn verdict(text: &str) -> Result<Option<bool>, &'static str> {
    match text.trim().to_lowercase().as_str() {
        "" => Ok(None),
        "match" | "same" | "yes" | "true" | "1" => Ok(Some(true)),
        "different" | "no" | "false" | "0" => Ok(Some(false)),
        _ => Err("the verdict is neither match nor different"),
    }
}

impl Judged {
    /// Reads a judged sample.
    ///
    /// # Errors
    /// Where it is none, or holds no verdict.
    pub fn read(path: &Path) -> Result<Self> {
        let columns = ["stratum_from", "stratum_pairs", "verdict"];
        let keys = ["source_l", "record_id_l", "source_r", "record_id_r", "model_hash"];
        let mut judged = Self::default();
        for (place, row) in table(path, &columns, &keys)?.into_iter().enumerate() {
            let wrong = |what: &str| {
                Error::data(format!("{}, line {}: {what}", path.display(), place + 2)).help(HELP)
            };
            let [from, pairs, said, keys @ .., model] = &row[..] else { continue };
            let from: f64 = from.parse().map_err(|_| wrong("stratum_from is not a number"))?;
            let pairs: u64 = pairs.parse().map_err(|_| wrong("stratum_pairs is not a number"))?;
            let said = verdict(said).map_err(wrong)?;
            let place = judged.strata.iter().position(|own| own.from.total_cmp(&from).is_eq());
            let place = place.unwrap_or_else(|| {
                judged.strata.push(Stratum { from, pairs, judged: 0, matches: 0 });
                judged.strata.len() - 1
            });
            let own = &mut judged.strata[place];
            own.judged += u64::from(said.is_some());
            own.matches += u64::from(said == Some(true));
            if own.judged > own.pairs {
                return Err(wrong("more pairs were judged than the stratum has"));
            }
            if !model.is_empty() {
                judged.models.insert(model.clone());
            }
            if let (Some(same), [source_l, l, source_r, r]) = (said, keys) {
                judged.verdicts.push(StewardDecision {
                    a: RecordKey::new(source_l, l),
                    b: RecordKey::new(source_r, r),
                    same,
                    by: "sample".to_owned(),
                });
            }
        }
        judged.strata.sort_by(|a, b| a.from.total_cmp(&b.from));
        if judged.verdicts.is_empty() {
            return Err(Error::data(format!("{}: no pair has a verdict", path.display()))
                .help("write `match` or `different` in the column verdict"));
        }
        Ok(judged)
    }
}

impl<'a> Applied<'a> {
    /// Lets the sample that the settings name, if they name one, choose the threshold. `directory`
    /// is the pipeline file's.
    ///
    /// # Errors
    /// Where the sample cannot be read, or no threshold of it has the precision.
    pub(super) fn to(kind: &str, settings: &'a Resolve, directory: &Path) -> Result<Self> {
        let asked = &settings.thresholds;
        let (Some(sample), Some(precision)) = (&asked.sample, asked.precision) else {
            return Ok(Self {
                settings: Cow::Borrowed(settings),
                warnings: Vec::new(),
                models: BTreeSet::new(),
            });
        };
        let judged = Judged::read(&directory.join(sample))?;
        let mut warnings = Vec::new();
        let weight = match threshold(&judged.strata, precision) {
            (Some(sure), _) => sure,
            (None, Some(likely)) => {
                warnings.push(format!(
                    "by the judged sample the pairs that are merged are as precise as \
                     thresholds.precision ({precision}) by the estimate alone: the lower bound of \
                     its interval is under it; judge more pairs to be sure"
                ));
                likely
            }
            (None, None) => {
                return Err(Error::data(format!(
                    "resolve.{kind}.thresholds: no threshold of the judged sample has a precision \
                     of {precision}"
                ))
                .help("judge more pairs of high weight, or ask for less: `simurgh evaluate PIPELINE --sample FILE` shows what there is"));
            }
        };
        let mut settings = settings.clone();
        let chosen = 1.0 / (1.0 + (-weight).exp2());
        settings.thresholds.merge = settings.thresholds.merge.max(chosen);
        // The sample has spoken: the model's own expectation is not asked beside it.
        settings.thresholds.precision = None;
        Ok(Self { settings: Cow::Owned(settings), warnings, models: judged.models })
    }

    /// What a person should know, of a run with the model of this hash.
    pub(super) fn warnings(&self, model: &str) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        if !self.models.is_empty() && !self.models.contains(model) {
            warnings.push(
                "the judged sample was drawn of another model than the one in use, whose weights \
                 are others: draw and judge one anew with `simurgh sample`"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Lets samples choose the thresholds of every kind of a pipeline.
///
/// # Errors
/// As [`Applied::to`].
pub(super) fn apply_all(loaded: &mut Loaded) -> Result<()> {
    for (kind, settings) in &mut loaded.pipeline.resolve {
        let chosen = Applied::to(kind, settings, &loaded.directory)?.settings.into_owned();
        *settings = chosen;
    }
    Ok(())
}

/// The text of a sample that the settings name, for a run's identity.
pub(super) fn text(loaded: &Loaded, sample: &str) -> Result<String> {
    let path = loaded.path(sample);
    std::fs::read_to_string(&path).map_err(|cause| {
        Error::configuration(format!("{}: the judged sample cannot be read", path.display()))
            .help("name a file that `simurgh sample` wrote, relative to the pipeline file")
            .because(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_as_people_write_them() {
        assert_eq!(verdict(" Match "), Ok(Some(true)));
        assert_eq!(verdict("no"), Ok(Some(false)));
        assert_eq!(verdict(""), Ok(None));
        assert!(verdict("perhaps").is_err());
    }

    fn settings(thresholds: &str) -> Resolve {
        let text = format!(
            "blocking: [{{name: b, keys: [x]}}]\ncomparisons: [{{name: x, type: exact, columns: [x]}}]\n\
             thresholds: {thresholds}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    /// 200 pairs from weight 10 on, all of them matches where judged; 100 from 2 on, of which
    /// `good` in 50 are.
    fn sample(folder: &Path, high: usize, good: usize) -> String {
        let mut text =
            "stratum_from,stratum_pairs,source_l,record_id_l,source_r,record_id_r,model_hash,verdict\n"
                .to_owned();
        for place in 0..high {
            text += &format!("10,200,a,{place},b,{place},m1,match\n");
        }
        for place in 0..50 {
            let said = if place < good { "match" } else { "different" };
            text += &format!("2,100,a,{place},c,{place},m1,{said}\n");
        }
        std::fs::write(folder.join("judged.csv"), text).unwrap();
        "{precision: 0.97, sample: judged.csv}".to_owned()
    }

    #[test]
    fn a_judged_sample_chooses_the_threshold() {
        let folder = tempfile::tempdir().unwrap();
        let merge = |high: usize, good: usize| {
            let own = settings(&sample(folder.path(), high, good));
            let applied = Applied::to("person", &own, folder.path())?;
            let merge = applied.settings.thresholds.merge;
            assert_eq!(applied.settings.thresholds.precision, None);
            Ok::<_, Error>((merge, applied.warnings("m1").len()))
        };
        let probability = |weight: f64| 1.0 / (1.0 + (-weight).exp2());
        // From 2 on hardly three quarters match: the threshold is at 10, and sure.
        assert_eq!(merge(200, 10).unwrap(), (probability(10.0), 0));
        // All match: it is lower.
        assert_eq!(merge(200, 50).unwrap(), (probability(2.0), 0));
        // Few were judged: the estimate alone says so, and that is told.
        assert_eq!(merge(20, 10).unwrap(), (probability(10.0), 1));
        let own = settings(&sample(folder.path(), 200, 10));
        let applied = Applied::to("person", &own, folder.path()).unwrap();
        assert!(applied.warnings("m2")[0].contains("another model"));
    }

    #[test]
    fn a_sample_that_keeps_no_precision_is_an_error_and_not_a_guess() {
        let folder = tempfile::tempdir().unwrap();
        let text = "stratum_from,stratum_pairs,source_l,record_id_l,source_r,record_id_r,verdict\n\
                    5,10,a,1,b,1,different\n5,10,a,2,b,2,match\n";
        std::fs::write(folder.path().join("judged.csv"), text).unwrap();
        let own = settings("{precision: 0.99, sample: judged.csv}");
        let error = Applied::to("person", &own, folder.path()).err().unwrap();
        assert!(error.to_string().contains("no threshold of the judged sample"), "{error}");
    }
}
