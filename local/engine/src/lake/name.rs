//! One segment of a key as one file name, and back.
//!
//! Almost every segment is its own file name. The few that are not: `""` is `%`, `.` is `%2E`, `..` is `%2E%2E`, a NUL
//! byte is `%00`; and a `%` that would be read as one of these is `%25`.

use std::borrow::Cow;

/// The longest file name, in bytes, that Linux and macOS file systems take.
pub(super) const LONGEST: usize = 255;

/// The file name of a segment.
pub(super) fn encode(segment: &str) -> Cow<'_, str> {
    match segment {
        "" => return "%".into(),
        "." => return "%2E".into(),
        ".." => return "%2E%2E".into(),
        "%" | "%2E" | "%2E%2E" => return format!("%25{}", &segment[1..]).into(),
        _ if !segment.contains(['%', '\0']) => return segment.into(),
        _ => {}
    }
    let mut name = String::with_capacity(segment.len() + 4);
    for (at, character) in segment.char_indices() {
        match character {
            '\0' => name.push_str("%00"),
            '%' if is_escape(&segment[at..]) => name.push_str("%25"),
            other => name.push(other),
        }
    }
    name.into()
}

/// The segment of a file name; `None` for a name that no segment has.
pub(super) fn decode(name: &str) -> Option<Cow<'_, str>> {
    let segment: Cow<'_, str> = match name {
        "%" => "".into(),
        "%2E" => ".".into(),
        "%2E%2E" => "..".into(),
        _ if !name.contains('%') => return Some(name.into()),
        _ => unescape(name).into(),
    };
    (encode(&segment) == name).then_some(segment)
}

fn is_escape(text: &str) -> bool {
    text.starts_with("%00") || text.starts_with("%25")
}

fn unescape(mut name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    while let Some(at) = name.find('%') {
        segment.push_str(&name[..at]);
        let escaped = is_escape(&name[at..]);
        segment.push(if name[at..].starts_with("%00") { '\0' } else { '%' });
        name = &name[at + if escaped { 3 } else { 1 }..];
    }
    segment + name
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn almost_every_segment_is_its_own_name() {
        for segment in ["a", "country=USA", "url=a%3Ab", "ünï", "a b", ".hidden", "...", "%2e", "100%"] {
            assert_eq!(encode(segment), segment);
        }
    }

    #[test]
    fn every_segment_comes_back() {
        let segments = ["", ".", "..", "%", "%2E", "%2E%2E", "%25", "%00", "\0", "%%25", "%2500", "a%25b%00", "%252E"];
        let mut names: Vec<String> = segments.iter().map(|segment| encode(segment).into_owned()).collect();
        for (segment, name) in segments.iter().zip(&names) {
            assert_eq!(decode(name).as_deref(), Some(*segment), "by the name {name:?}");
            assert!(!matches!(name.as_str(), "" | "." | "..") && !name.contains(['\0', '/']));
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), segments.len(), "two segments share a name");
    }

    #[test]
    fn a_name_that_no_segment_has_is_told() {
        assert_eq!(decode("a%25b"), None);
    }
}
