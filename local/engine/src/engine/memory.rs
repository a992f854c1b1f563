//! How the operators of running queries share memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

/// First come, first served; the last quarter is kept for operators that cannot continue on disk.
///
/// A fair share for each would be too little for the large ones: most operators that could spill need next to nothing, and
/// the one large aggregation of a query would write to disk while most of the memory lies idle.
#[derive(Debug)]
pub(super) struct QueryMemory {
    limit: usize,
    used: Mutex<Used>,
}

/// Bytes.
#[derive(Debug, Default)]
struct Used {
    by_spillable: usize,
    by_others: usize,
}

impl QueryMemory {
    /// `limit` bytes for all queries together.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn of(&mut self, reservation: &MemoryReservation) -> &mut usize {
        if reservation.consumer().can_spill() { &mut self.by_spillable } else { &mut self.by_others }
    }

    fn all(&self) -> usize {
        self.by_spillable + self.by_others
    }
}

impl MemoryPool for QueryMemory {
    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.used().of(reservation) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.used().of(reservation) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        let mut used = self.used();
        let in_all = self.limit.saturating_sub(used.all());
        let left = if reservation.consumer().can_spill() {
            in_all.min((self.limit / 4 * 3).saturating_sub(used.by_spillable))
        } else {
            in_all
        };
        if additional > left {
            let name = reservation.consumer().name();
            let message = format!("{name} needs {additional} more bytes of memory; {left} of {} are left", self.limit);
            return Err(DataFusionError::ResourcesExhausted(message));
        }
        *used.of(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.used().all()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;

    #[test]
    fn one_that_spills_may_have_three_quarters_and_others_the_rest() {
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryMemory::new(100));
        let large = MemoryConsumer::new("large").with_can_spill(true).register(&pool);
        let small = MemoryConsumer::new("small").with_can_spill(true).register(&pool);
        let firm = MemoryConsumer::new("firm").register(&pool);
        large.try_grow(70).unwrap();
        small.try_grow(5).unwrap();
        assert!(small.try_grow(1).unwrap_err().to_string().contains("small needs 1 more bytes"));
        firm.try_grow(25).unwrap();
        assert!(firm.try_grow(1).is_err());
        large.free();
        firm.try_grow(40).unwrap();
        assert!(large.try_grow(36).is_err());
        large.try_grow(30).unwrap();
        assert_eq!(pool.reserved(), 100);
        drop((large, small, firm));
        assert_eq!(pool.reserved(), 0);
    }
}
