//! The allocator of the process, and how long what is free is kept.
//!
//! Columns of millions of rows are made and dropped one after the other. The system's allocator
//! gives each back at once and takes the next from the system anew, page by page, every page
//! cleared; mimalloc keeps what is free for a while and asks for large pages, which a
//! resolution's random reads gain from as well.
//!
//! Knows the allocator; the only file with code that the compiler cannot check.

use libmimalloc_sys as mimalloc;

#[global_allocator]
static ALLOCATOR: ::mimalloc::MiMalloc = ::mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: milliseconds until what is free is given back. Its Rust
/// bindings do not name it.
const PURGE_DELAY: mimalloc::mi_option_t = 15;

/// From now on what is free is kept for so many milliseconds, unless `MIMALLOC_PURGE_DELAY` says
/// otherwise.
#[allow(unsafe_code)]
pub(crate) fn keep_free(milliseconds: u16) {
    // SAFETY: takes numbers, of an option that this version has, and keeps one of them.
    unsafe { mimalloc::mi_option_set_default(PURGE_DELAY, milliseconds.into()) }
}

/// Gives what is free back to the system now.
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    // SAFETY: takes a flag, may be called by any thread, and touches nothing that is in use.
    unsafe { mimalloc::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn what_is_free_is_kept_and_given_back_when_asked() {
        // SAFETY: takes a number, gives one.
        let delay = || unsafe { mimalloc::mi_option_get(PURGE_DELAY) };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(delay(), 1_000, "another version of mimalloc: look its options up");
            keep_free(9_999);
            assert_eq!(delay(), 9_999);
        }
        let Some(before) = crate::memory::resident() else { return };
        const SIZE: u64 = 256 << 20;
        drop(std::hint::black_box(vec![1_u8; SIZE as usize]));
        let kept = crate::memory::resident().unwrap();
        give_back();
        let after = crate::memory::resident().unwrap();
        // Other tests run beside this one, and hold far less.
        assert!(kept > before + SIZE / 2, "{before} {kept}");
        assert!(after < kept - SIZE / 2, "{kept} {after}");
    }
}
