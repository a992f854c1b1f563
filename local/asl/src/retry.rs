//! When a failed state is tried again, and what `ErrorEquals` matches.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>

use std::time::Duration;

use rand::{Rng, RngExt as _};

use crate::definition::{JitterStrategy, Retrier};
use crate::run::{Failure, FailureKind};

/// Seconds before the first retry, if `IntervalSeconds` is absent.
pub(crate) const DEFAULT_INTERVAL_SECONDS: u64 = 1;
/// Retries, if `MaxAttempts` is absent.
const DEFAULT_MAX_ATTEMPTS: u64 = 3;
/// By how much each delay is longer than the one before, if `BackoffRate` is absent.
const DEFAULT_BACKOFF_RATE: f64 = 2.0;
/// A delay that no `MaxDelaySeconds` caps still ends within a year, as every Standard execution does.
const LONGEST_DELAY_SECONDS: f64 = 31_536_000.0;

/// The errors that `States.ALL` does not match.
const UNMATCHED_BY_ALL: [&str; 2] = ["States.DataLimitExceeded", "States.Runtime"];

/// Counts the retries of one visit to a state: each retrier has a count of its own.
#[derive(Debug)]
pub(crate) struct Retries<'s> {
    retriers: &'s [Retrier],
    used: Vec<u64>,
}

impl<'s> Retries<'s> {
    pub(crate) fn new(retriers: &'s [Retrier]) -> Self {
        Self { retriers, used: vec![0; retriers.len()] }
    }

    /// How long to wait before the next attempt; `None` if there is to be none.
    pub(crate) fn next_delay(&mut self, failure: &Failure, dice: &mut impl Rng) -> Option<Duration> {
        let index = self.retriers.iter().position(|retrier| matches(&retrier.error_equals, failure))?;
        let retrier = &self.retriers[index];
        if self.used[index] >= retrier.max_attempts.unwrap_or(DEFAULT_MAX_ATTEMPTS) {
            return None;
        }
        let seconds = delay_seconds(retrier, self.used[index]);
        self.used[index] += 1;
        Some(Duration::from_secs_f64(match retrier.jitter_strategy {
            Some(JitterStrategy::Full) => seconds * dice.random::<f64>(),
            Some(JitterStrategy::None) | None => seconds,
        }))
    }
}

#[expect(clippy::cast_precision_loss, reason = "validation keeps the numbers far below 2^53")]
fn delay_seconds(retrier: &Retrier, already_used: u64) -> f64 {
    let first = retrier.interval_seconds.unwrap_or(DEFAULT_INTERVAL_SECONDS) as f64;
    let rate = retrier.backoff_rate.unwrap_or(DEFAULT_BACKOFF_RATE);
    let limit = retrier.max_delay_seconds.map_or(LONGEST_DELAY_SECONDS, |seconds| seconds as f64);
    (first * rate.powf(already_used as f64)).min(limit)
}

/// Whether `names` match a failure.
pub(crate) fn matches(names: &[String], failure: &Failure) -> bool {
    let error = failure.error.as_deref().unwrap_or_default();
    failure.kind != FailureKind::Terminal
        && names.iter().any(|name| match name.as_str() {
            "States.ALL" => !UNMATCHED_BY_ALL.contains(&error),
            "States.TaskFailed" => failure.kind == FailureKind::Task,
            "States.Timeout" => error == "States.Timeout" || error == "States.HeartbeatTimeout",
            other => other == error,
        })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn retrier(json: &str) -> Retrier {
        serde_json::from_str(json).unwrap()
    }

    fn failure(error: &str, kind: FailureKind) -> Failure {
        Failure { error: Some(error.to_owned()), cause: None, kind, after: 1 }
    }

    fn delays(json: &str) -> Vec<f64> {
        let rules = [retrier(json)];
        let mut retries = Retries::new(&rules);
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        std::iter::from_fn(|| retries.next_delay(&failure("Busy", FailureKind::Task), &mut dice))
            .map(|delay| delay.as_secs_f64())
            .take(20)
            .collect()
    }

    #[test]
    fn absent_fields_have_the_defaults_of_the_language() {
        assert_eq!(delays(r#"{"ErrorEquals": ["Busy"]}"#), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn delays_grow_up_to_their_limit() {
        let json = r#"{"ErrorEquals": ["Busy"], "IntervalSeconds": 3, "BackoffRate": 3, "MaxDelaySeconds": 20, "MaxAttempts": 5}"#;
        assert_eq!(delays(json), [3.0, 9.0, 20.0, 20.0, 20.0]);
    }

    #[test]
    fn jitter_stays_between_nothing_and_the_delay() {
        let json = r#"{"ErrorEquals": ["Busy"], "JitterStrategy": "FULL", "BackoffRate": 1, "MaxAttempts": 20}"#;
        let drawn = delays(json);
        assert_eq!(drawn.len(), 20);
        assert!(drawn.iter().all(|delay| (0.0..1.0).contains(delay)), "{drawn:?}");
        assert!(drawn.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 0.01));
    }

    #[test]
    fn no_attempts_means_no_retry() {
        assert_eq!(delays(r#"{"ErrorEquals": ["Busy"], "MaxAttempts": 0}"#), Vec::<f64>::new());
    }

    #[test]
    fn the_wildcards_match_what_aws_says() {
        let all = ["States.ALL".to_owned()];
        let task_failed = ["States.TaskFailed".to_owned()];
        assert!(matches(&all, &failure("Anything", FailureKind::State)));
        assert!(!matches(&all, &failure("States.Runtime", FailureKind::State)));
        assert!(!matches(&all, &failure("States.DataLimitExceeded", FailureKind::State)));
        assert!(matches(&task_failed, &failure("QueryFailed", FailureKind::Task)));
        assert!(!matches(&task_failed, &failure("States.Timeout", FailureKind::State)));
        assert!(!matches(&all, &failure("Anything", FailureKind::Terminal)));
    }
}
