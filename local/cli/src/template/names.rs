//! Physical names for resources that the template does not name: like CloudFormation's, but always the same ones.

/// `stack-Logical-1A2B3C4D5E6F`, at most `limit` characters: the logical name is shortened, the end kept.
pub(super) fn physical(stack: &str, logical: &str, limit: usize) -> String {
    let suffix = suffix(&format!("{stack}/{logical}"));
    let room = limit.saturating_sub(stack.len() + suffix.len() + 2);
    let shortened: String = logical.chars().take(room).collect();
    format!("{stack}-{shortened}-{suffix}")
}

/// Twelve letters and digits that stand for `text` (FNV-1a; nothing here needs to be secret).
/// Source: <https://datatracker.ietf.org/doc/html/rfc9923>
fn suffix(text: &str) -> String {
    const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut letters = String::new();
    for _ in 0..12 {
        letters.push(char::from(LETTERS[usize::try_from(hash % 36).unwrap_or(0)]));
        hash /= 36;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::physical;

    #[test]
    fn names_are_stable_distinct_and_short_enough() {
        let name = physical("pageviews-elt", "CreatePageviewsDailyTableFunction", 64);
        assert_eq!(name, physical("pageviews-elt", "CreatePageviewsDailyTableFunction", 64));
        assert_ne!(name, physical("other", "CreatePageviewsDailyTableFunction", 64));
        assert!(name.starts_with("pageviews-elt-CreatePageviewsDailyTableFunction-"), "{name}");
        assert_eq!(physical("stack", &"X".repeat(100), 64).len(), 64);
    }
}
