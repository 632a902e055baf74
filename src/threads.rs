//! Pieces of work on threads, whose results come in the order of pieces: the same for any number of
//! threads.
//!
//! Knows no use of them, and how many there may be. Work is cut by whoever gives it, never by the
//! number of threads.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Threads of a computation that is not told how many; 0: as many as the machine has.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Numbers that one thread takes at a time.
const MAPPED: usize = if cfg!(test) { 7 } else { 1 << 14 };

/// What one thread sorts at a time: few parts are merged sooner than many.
const SORTED: usize = if cfg!(test) { 7 } else { 1 << 18 };

/// From now on, computations that are not told how many threads take so many.
pub(crate) fn set_count(threads: usize) {
    COUNT.store(threads, Ordering::Relaxed);
}

/// Threads of a computation that is not told how many.
pub(crate) fn count() -> usize {
    match COUNT.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Does `count` pieces of work on `threads` threads; results come in the order of pieces. `scratch`
/// is made once a thread.
pub(crate) fn parallel<S, Out: Send>(
    count: usize,
    threads: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Out + Sync,
) -> Result<Vec<Out>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Out)>> = Mutex::new(Vec::with_capacity(count));
    let run = || {
        let mut state = scratch();
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            own.push((index, work(&mut state, index)));
        }
        if let Ok(mut done) = done.lock() {
            done.append(&mut own);
        }
    };
    let threads = threads.clamp(1, count.max(1));
    if threads == 1 {
        run();
    } else {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
    }
    let mut done = done.into_inner().map_err(|_| Error::bug("a thread of computation failed"))?;
    if done.len() != count {
        return Err(Error::bug("threads lost a piece of work"));
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, out)| out).collect())
}

/// What `of` gives for each number under `count`, found on `threads` threads.
pub(crate) fn map<T: Send>(
    count: usize,
    threads: usize,
    of: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>> {
    let ranges = ranges(count, MAPPED);
    let part = |(): &mut (), place: usize| -> Vec<T> { ranges[place].clone().map(&of).collect() };
    let mut all = Vec::with_capacity(count);
    parallel(ranges.len(), threads, || (), part)?.into_iter().for_each(|own| all.extend(own));
    Ok(all)
}

/// Whether something holds of each of these numbers, asked on `threads` threads.
pub(crate) fn all(
    numbers: Range<usize>,
    threads: usize,
    holds: impl Fn(usize) -> bool + Sync,
) -> Result<bool> {
    let ranges = ranges(numbers.len(), MAPPED);
    let part = |(): &mut (), place: usize| {
        ranges[place].clone().all(|number| holds(numbers.start + number))
    };
    Ok(!parallel(ranges.len(), threads, || (), part)?.contains(&false))
}

/// What `of` makes of each of these, which it takes, on `threads` threads.
pub(crate) fn each<T: Send, Out: Send>(
    all: Vec<T>,
    threads: usize,
    of: impl Fn(T) -> Out + Sync,
) -> Result<Vec<Out>> {
    let all: Vec<Mutex<Option<T>>> = all.into_iter().map(|own| Mutex::new(Some(own))).collect();
    let made = parallel(
        all.len(),
        threads,
        || (),
        |(), place| {
            let own = all[place].lock().ok()?.take()?;
            Some(of(own))
        },
    )?;
    let failed = || Error::bug("a thread of computation failed");
    made.into_iter().map(|own| own.ok_or_else(failed)).collect()
}

/// The same, what is largest by `size` begun first, for it takes longest; results come in the order
/// given.
pub(crate) fn largest_first<T: Send, Out: Send, Size: Ord>(
    all: Vec<T>,
    threads: usize,
    size: impl Fn(&T) -> Size,
    of: impl Fn(T) -> Out + Sync,
) -> Result<Vec<Out>> {
    let mut all: Vec<(usize, T)> = all.into_iter().enumerate().collect();
    all.sort_by_cached_key(|(_, own)| Reverse(size(own)));
    let mut made = each(all, threads, |(place, own)| (place, of(own)))?;
    made.sort_unstable_by_key(|(place, _)| *place);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

/// Does two things at once where there are two threads.
pub(crate) fn both<A: Send, B>(
    threads: usize,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> Result<(A, B)> {
    if threads < 2 {
        return Ok((one(), other()));
    }
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        let one = one.join().map_err(|_| Error::bug("a thread of computation failed"))?;
        Ok((one, other))
    })
}

/// Columns of the same number of rows, row after row: what is asked of a row lies together.
pub(crate) fn interleaved(columns: &[&[u32]], threads: usize) -> Result<Vec<u32>> {
    let (width, rows) = (columns.len(), columns.first().map_or(0, |own| own.len()));
    let mut all = vec![0; rows * width];
    let parts = all.chunks_mut(width.max(1) * MAPPED).zip(ranges(rows, MAPPED)).collect();
    each(parts, threads, |(part, range): (&mut [u32], Range<usize>)| {
        for (row, out) in range.zip(part.chunks_mut(width)) {
            out.iter_mut().zip(columns).for_each(|(out, column)| *out = column[row]);
        }
    })?;
    Ok(all)
}

/// Sorts on `threads` threads: parts first, then two and two of them, which a stable sort finds in
/// order and merges.
pub(crate) fn sort_by<T: Send>(
    all: &mut [T],
    threads: usize,
    compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync,
) -> Result<()> {
    let mut size = SORTED;
    while size < all.len() {
        each(all.chunks_mut(size).collect(), threads, |part| part.sort_by(&compare))?;
        size *= 2;
    }
    all.sort_by(compare);
    Ok(())
}

/// `0..count` in ranges of `size`, the last one shorter.
pub(crate) fn ranges(count: usize, size: usize) -> Vec<Range<usize>> {
    (0..count).step_by(size.max(1)).map(|start| start..(start + size).min(count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_pieces_for_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let squares = parallel(100, threads, || (), |(), piece| piece * piece).unwrap();
            assert_eq!(squares, (0..100).map(|piece| piece * piece).collect::<Vec<_>>());
            assert_eq!(map(100, threads, |piece| piece * piece).unwrap(), squares);
            assert!(all(3..100, threads, |number| number > 2).unwrap());
            assert!(!all(3..100, threads, |number| number != 99).unwrap());
            assert_eq!(both(threads, || 1, || 2).unwrap(), (1, 2));
            assert_eq!(each(vec![3, 1, 2], threads, |own| own * 2).unwrap(), [6, 2, 4]);
            let begun = Mutex::new(Vec::new());
            let double = |own| {
                begun.lock().unwrap().push(own);
                own * 2
            };
            let doubled = largest_first(vec![2, 3, 1], threads, |own| *own, double).unwrap();
            assert_eq!(doubled, [4, 6, 2]);
            assert!(threads > 1 || begun.into_inner().unwrap() == [3, 2, 1]);
        }
        assert!(parallel(0, 4, || (), |(), piece| piece).unwrap().is_empty());
        for threads in [1, 3] {
            let [one, other] = [0, 100].map(|first| (first..first + 23).collect::<Vec<u32>>());
            let both = interleaved(&[&one, &other], threads).unwrap();
            let expected: Vec<u32> = (0..23).flat_map(|row| [row, 100 + row]).collect();
            assert_eq!(both, expected);
            assert!(interleaved(&[], threads).unwrap().is_empty());
            assert!(interleaved(&[&[], &[]], threads).unwrap().is_empty());
            let mut mixed: Vec<u32> = (0..50).map(|number| number * 37 % 50).collect();
            sort_by(&mut mixed, threads, u32::cmp).unwrap();
            assert_eq!(mixed, (0..50).collect::<Vec<_>>());
        }
        assert_eq!(ranges(7, 3), [0..3, 3..6, 6..7]);
        assert!(ranges(0, 3).is_empty());
    }
}
