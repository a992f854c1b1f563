//! Wildcards: `*` stands for any characters, `?` for one.

/// Whether `text` fits `pattern`; capital letters matter.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    matches(pattern, text, false)
}

/// Whether an ARN fits a policy's pattern. A `*` inside a segment stays inside it; the last character of a segment may
/// stand for colons, too.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>
pub(super) fn fits_resource(pattern: &str, arn: &str) -> bool {
    matches(pattern, arn, true)
}

/// Whether an ARN fits segment by segment, as the operators `ArnLike` and `ArnEquals` compare.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
pub fn fits_arn(pattern: &str, arn: &str) -> bool {
    let (mut patterns, mut segments) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if fits(pattern, segment) => {}
            _ => return false,
        }
    }
}

/// One pass over the pattern; `reached[i]` says whether the pattern so far can stand for the first `i` characters.
fn matches(pattern: &str, text: &str, by_segment: bool) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for (at, wanted) in pattern.iter().enumerate() {
        if *wanted == '*' {
            let crosses = !by_segment || matches!(pattern.get(at + 1), None | Some(':'));
            for end in 0..text.len() {
                reached[end + 1] |= reached[end] && (crosses || text[end] != ':');
            }
        } else {
            for end in (0..text.len()).rev() {
                reached[end + 1] = reached[end] && (*wanted == '?' || *wanted == text[end]);
            }
            reached[0] = false;
        }
    }
    reached[text.len()]
}
