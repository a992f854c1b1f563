//! Zipf-distributed ranks in constant time, by Walker's alias method.

/// Draws ranks `0..n`, rank `r` with probability proportional to `1 / (r + 1)`.
#[derive(Debug)]
pub(super) struct Zipf {
    /// For each column: the chance of keeping it, scaled to 2³², and the rank taken otherwise.
    columns: Vec<(u32, u32)>,
}

impl Zipf {
    /// A distribution over `n` ranks, at least one.
    /// Source of the construction: M. D. Vose, "A linear algorithm for generating random numbers with a given
    /// distribution", 1991.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "probabilities scaled to 32 bits")]
    pub(super) fn new(n: u32) -> Self {
        let total: f64 = (1..=n).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut scaled: Vec<f64> = (1..=n).map(|rank| f64::from(n) / f64::from(rank) / total).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0..n).partition(|rank| scaled[*rank as usize] < 1.0);
        let mut columns: Vec<(u32, u32)> = (0..n).map(|rank| (u32::MAX, rank)).collect();
        while let (Some(low), Some(high)) = (small.pop(), large.pop()) {
            let kept = scaled[low as usize];
            columns[low as usize] = ((kept * f64::from(u32::MAX)) as u32, high);
            scaled[high as usize] -= 1.0 - kept;
            if scaled[high as usize] < 1.0 { &mut small } else { &mut large }.push(high);
        }
        Self { columns }
    }

    /// The rank for 64 random bits.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the random bits")]
    pub(super) fn rank(&self, random: u64) -> usize {
        let column = ((random >> 32) * self.columns.len() as u64) >> 32;
        let (keep, other) = self.columns[column as usize];
        if (random as u32) <= keep { column as usize } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::Zipf;

    #[test]
    fn first_rank_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(100);
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut counts = vec![0_u32; 100];
        for _ in 0..1_000_000 {
            counts[zipf.rank(random.next_u64())] += 1;
        }
        let ratio = |a: usize, b: usize| f64::from(counts[a]) / f64::from(counts[b]);
        assert!((ratio(0, 1) - 2.0).abs() < 0.1, "{counts:?}");
        assert!((ratio(0, 9) - 10.0).abs() < 0.5, "{counts:?}");
        assert!(counts.iter().all(|count| *count > 0));
    }

    #[test]
    fn one_rank_is_always_drawn() {
        assert_eq!(Zipf::new(1).rank(u64::MAX), 0);
    }
}
