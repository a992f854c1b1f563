//! A clock that stands still, except for those who wait on it.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use shared::clock::Clock;

/// Begins at the epoch; a sleep ends at once and moves it on.
#[derive(Debug, Default)]
pub(crate) struct VirtualClock {
    passed: Mutex<Duration>,
}

impl VirtualClock {
    pub(crate) fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.time()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += duration;
        Box::pin(ready(()))
    }
}
