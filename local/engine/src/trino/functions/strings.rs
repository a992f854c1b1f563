//! Text. Positions and lengths count Unicode code points, from 1.
//! Source: <https://trino.io/docs/current/functions/string.html>

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::super::error::data;
use super::super::function::{Call, Function, Run, binary, ok, ternary, unary};

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(&["lower(varchar) -> varchar"], |c| unary(c, |s: &str| ok(s.to_lowercase()))),
        own(&["upper(varchar) -> varchar"], |c| unary(c, |s: &str| ok(s.to_uppercase()))),
        own(&["length(varchar) -> bigint", "length(varbinary) -> bigint"], length),
        own(&["concat(varchar, varchar...) -> varchar"], concat),
        own(&["concat_ws(varchar, varchar...) -> varchar"], concat_ws),
        own(&["substr(varchar, bigint) -> varchar", "substr(varchar, bigint, bigint) -> varchar"], substr),
        own(&["trim(varchar) -> varchar", "trim(varchar, varchar) -> varchar"], |c| trim(c, true, true)),
        own(&["ltrim(varchar) -> varchar", "ltrim(varchar, varchar) -> varchar"], |c| trim(c, true, false)),
        own(&["rtrim(varchar) -> varchar", "rtrim(varchar, varchar) -> varchar"], |c| trim(c, false, true)),
        own(&["replace(varchar, varchar) -> varchar", "replace(varchar, varchar, varchar) -> varchar"], replace),
        own(&["strpos(varchar, varchar) -> bigint", "strpos(varchar, varchar, bigint) -> bigint"], strpos),
        own(&["split(varchar, varchar) -> array(varchar)", "split(varchar, varchar, bigint) -> array(varchar)"], split),
        own(&["split_part(varchar, varchar, bigint) -> varchar"], split_part),
        own(&["lpad(varchar, bigint, varchar) -> varchar"], |c| pad(c, true)),
        own(&["rpad(varchar, bigint, varchar) -> varchar"], |c| pad(c, false)),
        own(&["starts_with(varchar, varchar) -> boolean"], |c| binary(c, |s: &str, p: &str| ok(s.starts_with(p)))),
        own(&["ends_with(varchar, varchar) -> boolean"], |c| binary(c, |s: &str, p: &str| ok(s.ends_with(p)))),
        own(&["translate(varchar, varchar, varchar) -> varchar"], translate),
        own(&["levenshtein_distance(varchar, varchar) -> bigint"], |c| {
            binary(c, |a: &str, b: &str| ok(levenshtein(a, b)))
        }),
        own(&["hamming_distance(varchar, varchar) -> bigint"], hamming),
        own(&["chr(bigint) -> varchar"], chr),
        own(&["codepoint(varchar) -> integer"], codepoint),
        // `string_agg` gives its text in the carrier that is JSON's here.
        own(&["$text(json) -> varchar"], |c| unary(c, |s: &str| ok(s))),
    ]
}

fn length(call: &Call) -> Result<ArrayRef> {
    if call.column::<&[u8]>(0).is_ok() {
        return unary(call, |b: &[u8]| ok(b.len() as i64));
    }
    unary(call, |s: &str| ok(s.chars().count() as i64))
}

fn texts(call: &Call) -> Result<Vec<&StringViewArray>> {
    (0..call.args.len()).map(|i| call.column::<&str>(i)).collect()
}

fn concat(call: &Call) -> Result<ArrayRef> {
    let columns = texts(call)?;
    let row = |i: usize| {
        let present = columns.iter().all(|c| c.is_valid(i));
        present.then(|| columns.iter().map(|c| c.value(i)).collect::<String>())
    };
    Ok(Arc::new((0..call.rows).map(row).collect::<StringViewArray>()))
}

/// NULLs among the parts are left out; a NULL separator gives NULL.
fn concat_ws(call: &Call) -> Result<ArrayRef> {
    let columns = texts(call)?;
    let (separator, parts) = (columns[0], &columns[1..]);
    let row = |i: usize| {
        let present = || parts.iter().filter(|c| c.is_valid(i)).map(|c| c.value(i)).collect::<Vec<_>>();
        separator.is_valid(i).then(|| present().join(separator.value(i)))
    };
    Ok(Arc::new((0..call.rows).map(row).collect::<StringViewArray>()))
}

fn substr(call: &Call) -> Result<ArrayRef> {
    match call.args.len() {
        2 => binary(call, |s: &str, start: i64| ok(part(s, start, i64::MAX))),
        _ => ternary(call, |s: &str, start: i64, length: i64| ok(part(s, start, length))),
    }
}

/// A start below zero counts from the end; a start that is not in the text gives the empty text.
fn part(text: &str, start: i64, length: i64) -> &str {
    let first = match start {
        1.. => start - 1,
        0 => return "",
        _ => match text.chars().count() as i64 + start {
            before if before < 0 => return "",
            first => first,
        },
    };
    if length <= 0 {
        return "";
    }
    let (first, length) = (first as usize, length as usize);
    if text.is_ascii() {
        let first = first.min(text.len());
        return &text[first..first.saturating_add(length).min(text.len())];
    }
    let mut places = text.char_indices().map(|(i, _)| i).skip(first);
    let Some(begin) = places.next() else { return "" };
    &text[begin..places.nth(length - 1).unwrap_or(text.len())]
}

fn trim(call: &Call, left: bool, right: bool) -> Result<ArrayRef> {
    let cut = move |s: &'_ str, is_cut: &dyn Fn(char) -> bool| {
        let s = if left { s.trim_start_matches(is_cut) } else { s };
        if right { s.trim_end_matches(is_cut) } else { s }.to_owned()
    };
    match call.args.len() {
        1 => unary(call, |s: &str| ok(cut(s, &char::is_whitespace))),
        _ => binary(call, |s: &str, set: &str| ok(cut(s, &|c| set.contains(c)))),
    }
}

fn replace(call: &Call) -> Result<ArrayRef> {
    match call.args.len() {
        2 => binary(call, |s: &str, old: &str| ok(if old.is_empty() { s.to_owned() } else { s.replace(old, "") })),
        _ => ternary(call, |s: &str, old: &str, new: &str| ok(s.replace(old, new))),
    }
}

fn strpos(call: &Call) -> Result<ArrayRef> {
    match call.args.len() {
        2 => binary(call, |s: &str, part: &str| ok(position(s, part, 1))),
        _ => ternary(call, |s: &str, part: &str, instance: i64| {
            if instance == 0 {
                return Err(data(INVALID, "'instance' must be a positive or negative number."));
            }
            ok(position(s, part, instance))
        }),
    }
}

/// Where the n-th `part` begins, counted from the end for a negative n; 0 if there is none.
fn position(text: &str, part: &str, instance: i64) -> i64 {
    if part.is_empty() {
        return 1;
    }
    let nth = instance.unsigned_abs() as usize - 1;
    let found = if instance > 0 { find_nth(text, part, nth) } else { text.rmatch_indices(part).nth(nth).map(|m| m.0) };
    found.map_or(0, |at| text[..at].chars().count() as i64 + 1)
}

/// Occurrences may overlap.
fn find_nth(text: &str, part: &str, nth: usize) -> Option<usize> {
    let mut from = 0;
    for _ in 0..nth {
        from += text[from..].find(part)?;
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    text[from..].find(part).map(|at| from + at)
}

fn check_delimiter(delimiter: &str) -> Result<()> {
    if delimiter.is_empty() { Err(data(INVALID, "The delimiter may not be the empty string")) } else { Ok(()) }
}

fn split(call: &Call) -> Result<ArrayRef> {
    let whole = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    match call.args.len() {
        2 => binary(call, |s: &str, delimiter: &str| {
            check_delimiter(delimiter)?;
            ok(whole(s.split(delimiter).collect()))
        }),
        _ => ternary(call, |s: &str, delimiter: &str, limit: i64| {
            check_delimiter(delimiter)?;
            if limit <= 0 {
                return Err(data(INVALID, "Limit must be positive"));
            }
            ok(whole(s.splitn(usize::try_from(limit).unwrap_or(usize::MAX), delimiter).collect()))
        }),
    }
}

/// An index behind the last part gives NULL.
fn split_part(call: &Call) -> Result<ArrayRef> {
    ternary(call, |s: &str, delimiter: &str, index: i64| {
        if index <= 0 {
            return Err(data(INVALID, "Index must be greater than zero"));
        }
        let nth = usize::try_from(index - 1).unwrap_or(usize::MAX);
        if delimiter.is_empty() {
            return Ok(s.chars().nth(nth).map(|c| Cow::Owned(c.to_string())));
        }
        Ok(s.split(delimiter).nth(nth).map(|part| Cow::Owned(part.to_owned())))
    })
}

fn pad(call: &Call, left: bool) -> Result<ArrayRef> {
    ternary(call, |s: &str, size: i64, filler: &str| {
        let Ok(size) = usize::try_from(size) else {
            return Err(data(INVALID, "Target length must be in the range [0..2147483647]"));
        };
        if filler.is_empty() {
            return Err(data(INVALID, "Padding string must not be empty"));
        }
        let have = s.chars().count();
        if have >= size {
            return ok(s.chars().take(size).collect::<String>());
        }
        let padding: String = filler.chars().cycle().take(size - have).collect();
        ok(if left { padding + s } else { s.to_owned() + &padding })
    })
}

fn translate(call: &Call) -> Result<ArrayRef> {
    ternary(call, |s: &str, from: &str, to: &str| {
        let to: Vec<char> = to.chars().collect();
        let swap = |c: char| match from.chars().position(|f| f == c) {
            None => Some(c),
            Some(i) => to.get(i).copied(),
        };
        ok(s.chars().filter_map(swap).collect::<String>())
    })
}

fn levenshtein(a: &str, b: &str) -> i64 {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<i64> = (0..=b.len() as i64).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i as i64 + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + i64::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn hamming(call: &Call) -> Result<ArrayRef> {
    binary(call, |a: &str, b: &str| {
        if a.chars().count() != b.chars().count() {
            return Err(data(INVALID, "The input strings to hamming_distance function must have the same length"));
        }
        ok(a.chars().zip(b.chars()).filter(|(x, y)| x != y).count() as i64)
    })
}

fn chr(call: &Call) -> Result<ArrayRef> {
    unary(call, |n: i64| {
        let c = u32::try_from(n).ok().and_then(char::from_u32);
        c.map(|c| Some(c.to_string())).ok_or_else(|| data(INVALID, format!("Not a valid Unicode code point: {n}")))
    })
}

fn codepoint(call: &Call) -> Result<ArrayRef> {
    unary(call, |s: &str| {
        let mut chars = s.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => ok((c as u32).cast_signed()),
            _ => Err(data(INVALID, "The parameter of codepoint must be a single character")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substrings_count_code_points_from_one() {
        assert_eq!(part("Quadratically", 5, 6), "ratica");
        assert_eq!(part("Sakila", -3, i64::MAX), "ila");
        assert_eq!(part("Sakila", 0, 2), "");
        assert_eq!(part("abc", -5, 3), "");
        assert_eq!(part("žluťoučký", 2, 3), "luť");
        assert_eq!(part("abc", 9, 2), "");
    }

    #[test]
    fn distances_and_positions() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(position("high", "h", 2), 4);
        assert_eq!(position("high", "h", -1), 4);
        assert_eq!(position("high", "z", 1), 0);
        assert_eq!(position("aaa", "aa", 2), 2);
    }
}
