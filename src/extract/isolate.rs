//! Panics of foreign decoders, kept from the program and from its log.
//!
//! A panic's message may hold the bytes that caused it: it is not printed for code run here, and
//! is for all other code as before.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static ISOLATED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `work`; `None` if it panicked. What it wrote to is to be dropped then.
pub(super) fn isolated<T>(work: impl FnOnce() -> T) -> Option<T> {
    HOOK.call_once(|| {
        let earlier = take_hook();
        set_hook(Box::new(move |panic| {
            if !ISOLATED.get() {
                earlier(panic);
            }
        }));
    });
    let before = ISOLATED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    ISOLATED.set(before);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_more_than_nothing() {
        assert_eq!(isolated(|| 1), Some(1));
        assert_eq!(isolated(|| -> u8 { panic!("a customer's name") }), None);
        assert!(!ISOLATED.get());
    }
}
