//! Names across scripts: how often the right Latin spelling of a name in Arabic letters is found
//! among all others, by `name_similarity` and by what is at hand without it: any_ascii's
//! transliteration with Jaro-Winkler.
//!
//! `cargo run --example names -- FILE`, where FILE is a CSV with the columns `latin,arabic`: a pair
//! of spellings of one name a line. The list is divided by a hash (FNV-1a) of the Latin spelling: the
//! even half is for tuning, the odd half is the one to report. Lists made from encyclopaedias hold
//! pairs of different names: a pair is left out where a name has fewer than three letters, or where
//! the longest common subsequence of both names' consonants, as any_ascii transliterates them, is
//! under half of the shorter. That is the rival's own measure, so that the choice cannot favour
//! ours; the figures with the noise left in stand beside it. For each Arabic spelling all Latin ones
//! of the half are ranked; it is found at `k` where one of its own is better than all but `k - 1` of
//! the others, ties counted against it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is what it prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use simurgh::functions::phonemes::Sounds;

/// Spellings of one name.
struct Pair {
    latin: String,
    arabic: String,
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn consonants(text: &str) -> Vec<u8> {
    let latin = any_ascii::any_ascii(text).to_ascii_lowercase();
    latin.bytes().filter(|b| b.is_ascii_alphabetic() && !b"aeiouwy".contains(b)).collect()
}

/// The length of the longest common subsequence.
fn common(a: &[u8], b: &[u8]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for own in a {
        let mut diagonal = 0;
        for (place, other) in b.iter().enumerate() {
            let above = row[place + 1];
            row[place + 1] = if own == other { diagonal + 1 } else { above.max(row[place]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

fn is_long(name: &str) -> bool {
    name.chars().filter(|letter| letter.is_alphabetic()).count() >= 3
}

fn is_one_name(pair: &Pair) -> bool {
    let (latin, arabic) = (consonants(&pair.latin), consonants(&pair.arabic));
    let shorter = latin.len().min(arabic.len());
    shorter > 0 && 2 * common(&latin, &arabic) >= shorter
}

/// The shares of Arabic spellings found at 1 and at 10, by the similarity of a prepared pair.
fn recall<P: Sync>(
    pairs: &[Pair],
    prepare: impl Fn(&str) -> P,
    similarity: impl Fn(&P, &P) -> f64 + Sync,
) -> (usize, f64, f64) {
    let mut truth: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (place, pair) in pairs.iter().enumerate() {
        truth.entry(&pair.arabic).or_default().insert(place);
    }
    let latin: Vec<P> = pairs.iter().map(|pair| prepare(&pair.latin)).collect();
    let asked: Vec<(P, &BTreeSet<usize>)> =
        truth.iter().map(|(arabic, own)| (prepare(arabic), own)).collect();
    let found = |asked: &[(P, &BTreeSet<usize>)]| {
        let (mut first, mut tenth) = (0usize, 0usize);
        for (arabic, own) in asked {
            let scores: Vec<f64> = latin.iter().map(|latin| similarity(arabic, latin)).collect();
            let best = own.iter().map(|place| scores[*place]).fold(f64::MIN, f64::max);
            let others = scores.iter().enumerate().filter(|(place, _)| !own.contains(place));
            let ahead = others.filter(|(_, score)| **score >= best).count();
            first += usize::from(ahead < 1);
            tenth += usize::from(ahead < 10);
        }
        (first, tenth)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let found = &found;
        let workers: Vec<_> = asked
            .chunks(asked.len().div_ceil(threads).max(1))
            .map(|chunk| scope.spawn(move || found(chunk)))
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let all = asked.len().max(1) as f64;
    let share = |count: usize| count as f64 / all;
    (
        asked.len(),
        share(parts.iter().map(|part| part.0).sum()),
        share(parts.iter().map(|part| part.1).sum()),
    )
}

fn main() -> ExitCode {
    let Some(text) = std::env::args().nth(1).and_then(|path| std::fs::read_to_string(path).ok())
    else {
        eprintln!("give a CSV file with the columns latin,arabic");
        return ExitCode::from(2);
    };
    let pairs = |odd: bool, all: bool| -> Vec<Pair> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.records().filter_map(Result::ok);
        rows.filter_map(|row| {
            Some(Pair { latin: row.get(0)?.to_owned(), arabic: row.get(1)?.to_owned() })
        })
        .filter(|pair| is_long(&pair.latin) && is_long(&pair.arabic))
        .filter(|pair| (hash(&pair.latin) % 2 == 1) == odd)
        .filter(|pair| all || is_one_name(pair))
        .collect()
    };
    println!("| half | pairs | Arabic names | method | recall at 1 | recall at 10 |");
    println!("|---|---|---|---|---|---|");
    for (half, odd, all) in
        [("tuning", false, false), ("report", true, false), ("report, noise left in", true, true)]
    {
        let pairs = pairs(odd, all);
        let print = |method: &str, (names, first, tenth): (usize, f64, f64)| {
            let count = pairs.len();
            println!("| {half} | {count} | {names} | {method} | {first:.3} | {tenth:.3} |");
        };
        let own = recall(&pairs, Sounds::of, |a, b| match (a, b) {
            (Some(a), Some(b)) => a.similarity(b),
            _ => 0.0,
        });
        print("name_similarity", own);
        let ascii = |name: &str| any_ascii::any_ascii(name).to_lowercase();
        print("any_ascii, Jaro-Winkler", recall(&pairs, ascii, |a, b| strsim::jaro_winkler(a, b)));
    }
    ExitCode::SUCCESS
}
