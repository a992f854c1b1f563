//! Physical names for resources that the template does not name: like CloudFormation's, but always the same ones.

/// `stack-Logical-1A2B3C4D5E6F`, at most `limit` characters: the logical name is shortened, the end kept.
pub(super) fn physical(stack: &str, logical: &str, limit: usize) -> String {
    let suffix = suffix(&format!("{stack}/{logical}"));
    let room = limit.saturating_sub(stack.len() + suffix.len() + 2);
    let shortened: String = logical.chars().take(room).collect();
    format!("{stack}-{shortened}-{suffix}")
}

/// FNV-1a; nothing here needs to be secret. Source: <https://datatracker.ietf.org/doc/html/rfc9923>
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Twelve letters and digits that stand for `text`.
fn suffix(text: &str) -> String {
    const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut hash = hash(text);
    let mut letters = String::new();
    for _ in 0..12 {
        letters.push(char::from(LETTERS[usize::try_from(hash % 36).unwrap_or(0)]));
        hash /= 36;
    }
    letters
}

/// An id in the form of a UUID, for what CloudFormation gives such an id: 32 hexadecimal digits of the same hash.
pub(super) fn uuid(stack: &str, logical: &str) -> String {
    let half = |part: u8| hash(&format!("{part}/{stack}/{logical}"));
    let (high, low) = (half(1), half(2));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::{physical, uuid};

    #[test]
    fn names_are_stable_distinct_and_short_enough() {
        let name = physical("pageviews-elt", "CreatePageviewsDailyTableFunction", 64);
        assert_eq!(name, physical("pageviews-elt", "CreatePageviewsDailyTableFunction", 64));
        assert_ne!(name, physical("other", "CreatePageviewsDailyTableFunction", 64));
        assert!(name.starts_with("pageviews-elt-CreatePageviewsDailyTableFunction-"), "{name}");
        assert_eq!(physical("stack", &"X".repeat(100), 64).len(), 64);
        let parts: Vec<usize> = uuid("stack", "Key").split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_ne!(uuid("stack", "Key"), uuid("stack", "OtherKey"));
    }
}
