//! The memory that operators share.

use std::fmt::{Display, Formatter};
use std::sync::{Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// A pool whose operators that can spill have an equal share of three quarters of it, whatever the
/// others leave of that, so that room is left for those that cannot: a sort that has spilled all it
/// holds ends only if it has room to merge. (DataFusion's fair pool shares out everything.)
#[derive(Debug)]
pub(super) struct Pool {
    size: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many operators can spill.
    spillers: usize,
    /// Bytes that they hold.
    spillable: usize,
    /// Bytes that the others hold.
    fixed: usize,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        Self { size, state: Mutex::default() }
    }

    /// The state; a panic of another holder leaves its numbers whole.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held(&mut self, consumer: &MemoryConsumer) -> &mut usize {
        if consumer.can_spill() { &mut self.spillable } else { &mut self.fixed }
    }

    /// The bytes that a consumer which holds so many may hold more.
    fn room(&self, size: usize, consumer: &MemoryConsumer, held: usize) -> usize {
        if consumer.can_spill() {
            let shared = (size - size / 4).min(size.saturating_sub(self.fixed));
            (shared / self.spillers.max(1)).saturating_sub(held)
        } else {
            size.saturating_sub(self.fixed + self.spillable)
        }
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.state().spillers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.state().held(reservation.consumer()) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.state().held(reservation.consumer()) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let (consumer, held) = (reservation.consumer(), reservation.size());
        let mut state = self.state();
        let room = state.room(self.size, consumer, held);
        if additional > room {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} holds {} KB of the {} KB for SQL, asked for {} KB more and may have {}",
                consumer.name(),
                held >> 10,
                self.size >> 10,
                additional.div_ceil(1 << 10),
                room >> 10,
            )));
        }
        *state.held(consumer) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

impl Display for Pool {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} KB", self.size >> 10)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn spillers_share_three_quarters_and_the_rest_have_what_is_left() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(800));
        let spiller = |name| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (one, two) = (spiller("one"), spiller("two"));
        let merge = MemoryConsumer::new("merge").register(&pool);
        one.try_grow(300).unwrap();
        assert!(one.try_grow(1).is_err(), "half of three quarters");
        two.try_grow(300).unwrap();
        merge.try_grow(200).unwrap();
        let error = merge.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("merge holds"), "{error}");
        one.free();
        merge.try_grow(300).unwrap();
        assert_eq!(pool.reserved(), 800);
        // What the others hold beyond their quarter is not there to share.
        assert!(one.try_grow(151).is_err());
        one.try_grow(150).unwrap();
        drop((two, merge));
        one.try_grow(450).unwrap();
        assert!(one.try_grow(1).is_err(), "alone, and never all");
        drop(one);
        assert_eq!(pool.reserved(), 0);
    }
}
