//! What `verify` finds: a warehouse of two dates, altered in every way that a file can be, each time
//! in one place chosen by a seed, and put back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use simurgh::engine::{Store as Files, run_blocking};
use simurgh::land::{Verified, verify};

use crate::program::{Project, Seeded, copy_folder, files_below};
use crate::store::Store;

fn verified(folder: &Path, head: Option<&str>) -> Verified {
    let files = Files::open(folder.to_str().unwrap()).unwrap();
    run_blocking(async { verify(&files, head).await }).unwrap()
}

/// Files that a finding may name: relative, without what is being staged.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|file| !file.strip_prefix(folder).unwrap().starts_with("staging"));
    files.sort();
    files
}

/// One alteration: what was done, the files that it touched, and what they held before.
struct Altered {
    what: String,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Altered {
    fn write(&mut self, file: &Path, content: Option<&[u8]>) {
        self.before.push((file.to_owned(), fs::read(file).unwrap()));
        match content {
            Some(content) => fs::write(file, content).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
    }
}

fn alter(files: &[PathBuf], random: &mut Seeded) -> Altered {
    let pick = |random: &mut Seeded| &files[random.below(files.len() as u64) as usize];
    let file = pick(random).clone();
    let content = fs::read(&file).unwrap();
    let place = random.below(content.len().max(1) as u64) as usize;
    let mut altered = Altered { what: String::new(), before: Vec::new() };
    match random.below(6) {
        0 => {
            altered.what = "deleted".to_owned();
            altered.write(&file, None);
        }
        1 => {
            altered.what = "cut short".to_owned();
            altered.write(&file, Some(&content[..place]));
        }
        2 => {
            altered.what = "a byte more".to_owned();
            let mut longer = content.clone();
            longer.insert(place, random.below(256) as u8);
            altered.write(&file, Some(&longer));
        }
        3 => {
            let other = (0..).map(|_| pick(random).clone());
            let mut other = other.map(|other| (fs::read(&other).unwrap(), other));
            let (theirs, other) = other.find(|(theirs, _)| *theirs != content).unwrap();
            altered.what = "exchanged".to_owned();
            altered.write(&file, Some(&theirs));
            altered.write(&other, Some(&content));
        }
        _ => {
            altered.what = "a bit".to_owned();
            let mut changed = content.clone();
            changed[place] ^= 1 << random.below(8);
            altered.write(&file, Some(&changed));
        }
    }
    altered
}

/// 300 alterations; `SIMURGH_FULL=1` tries 10,000.
#[test]
fn every_alteration_is_found_and_named() {
    let store = Store::disk();
    let project = Project::tiny();
    let place = store.place();
    let dates = project.dates();
    project.run(&place, &dates[0], &[]).expect(0, "published");
    let folder = place.folder.as_path();
    let cut = tempfile::TempDir::new().unwrap();
    copy_folder(folder, cut.path());
    let first = verified(folder, None);
    assert_eq!((first.findings.as_slice(), first.runs), (&[][..], 1));
    let last = project.run(&place, &dates[1], &[]).expect(0, "published");
    let head = last.answer["head"].as_str().unwrap().to_owned();
    let whole = verified(folder, Some(&head));
    assert_eq!((whole.findings.as_slice(), whole.runs), (&[][..], 2));
    assert_eq!(whole.head.as_deref(), Some(head.as_str()));
    assert_eq!(verified(folder, first.head.as_deref()).findings, []);

    // A chain that ends early is whole in itself: only the head that was kept tells.
    assert_eq!(verified(cut.path(), None).findings, []);
    assert_eq!(verified(cut.path(), Some(&head)).findings.len(), 1);

    let tries = if std::env::var_os("SIMURGH_FULL").is_some() { 10_000 } else { 300 };
    let files = files(folder);
    let mut random = Seeded(20_261_124);
    let mut touched = BTreeSet::new();
    for attempt in 0..tries {
        let altered = alter(&files, &mut random);
        let found = verified(folder, None).findings;
        let names: Vec<String> = altered
            .before
            .iter()
            .map(|(file, _)| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned())
            .collect();
        // Of two that were exchanged one may be the manifest that names the other.
        assert!(
            found.iter().any(|finding| names.contains(&finding.file)),
            "attempt {attempt}: {names:?} {} and not found: {found:?}",
            altered.what
        );
        touched.extend(names);
        for (file, content) in altered.before {
            fs::write(file, content).unwrap();
        }
    }
    assert!(touched.len() > files.len() / 3, "{} of {} files tried", touched.len(), files.len());
    assert_eq!(verified(folder, Some(&head)).findings, []);

    // A run that is removed with all that names it leaves its tables' versions behind.
    for file in ["runs/seq/2.json", "runs/plan/2.json"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    fs::remove_dir_all(folder.join("runs").join(last.run_id())).unwrap();
    let found = verified(folder, None).findings;
    assert!(found.iter().any(|finding| finding.file.contains("_delta_log")), "{found:?}");
}
