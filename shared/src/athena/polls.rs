//! When to look again: soon at first, for a statement that is done at once, then ever less often.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The first pause at its longest.
const FIRST: Duration = Duration::from_millis(20);
/// The longest pause. Athena answers 100 `GetQueryExecution` calls a second in an account:
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses between the looks at one query: each may be a quarter longer than the one before, up to [`LONGEST`];
/// of each, a part between half and all is waited, so that many runs that started together do not ask together.
#[derive(Debug)]
pub(super) struct Polls {
    seed: u64,
    longest: Duration,
}

impl Polls {
    /// The pauses for `query`: the same for the same query, so that tests can tell.
    pub(super) fn new(query: &str) -> Self {
        Self { seed: hash(query), longest: FIRST }
    }

    pub(super) fn next_pause(&mut self) -> Duration {
        let longest = self.longest;
        self.longest = (longest + longest / 4).min(LONGEST);
        self.seed = hash(&self.seed);
        let percent = u32::try_from(50 + self.seed % 51).unwrap_or(100);
        longest * percent / 100
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_are_never_more_than_halved() {
        let mut polls = Polls::new("q-1");
        let mut longest = FIRST;
        for _ in 0..40 {
            let pause = polls.next_pause();
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?} of {longest:?}");
            longest = (longest + longest / 4).min(LONGEST);
        }
        assert_eq!(longest, LONGEST);
    }

    #[test]
    fn two_queries_are_not_asked_after_together() {
        let pauses = |query| {
            let mut polls = Polls::new(query);
            (0..10).map(|_| polls.next_pause()).collect::<Vec<_>>()
        };
        assert_ne!(pauses("q-1"), pauses("q-2"));
    }
}
