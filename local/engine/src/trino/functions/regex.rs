//! Regular expressions, in the syntax of Rust's `regex`, which is close to Java's; lookaround and backreferences are not
//! supported.
//! Source: <https://trino.io/docs/current/functions/regexp.html>

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use regex::Regex;

use super::super::error::{data, unsupported};
use super::super::function::{Call, Function, Run, binary, ok, ternary};

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(&["regexp_like(varchar, varchar) -> boolean"], |c| {
            let compiled = Compiled::default();
            binary(c, |s: &str, p: &str| compiled.with(p, |r| r.is_match(s)).map(Some))
        }),
        own(
            &["regexp_extract(varchar, varchar) -> varchar", "regexp_extract(varchar, varchar, bigint) -> varchar"],
            extract,
        ),
        own(
            &[
                "regexp_extract_all(varchar, varchar) -> array(varchar)",
                "regexp_extract_all(varchar, varchar, bigint) -> array(varchar)",
            ],
            extract_all,
        ),
        own(
            &["regexp_replace(varchar, varchar) -> varchar", "regexp_replace(varchar, varchar, varchar) -> varchar"],
            replace,
        ),
        own(&["regexp_split(varchar, varchar) -> array(varchar)"], |c| {
            let compiled = Compiled::default();
            binary(c, |s: &str, p: &str| {
                compiled.with(p, |r| r.split(s).map(str::to_owned).collect::<Vec<_>>()).map(Some)
            })
        }),
        own(&["regexp_count(varchar, varchar) -> bigint"], |c| {
            let compiled = Compiled::default();
            binary(c, |s: &str, p: &str| compiled.with(p, |r| r.find_iter(s).count() as i64).map(Some))
        }),
        own(&["regexp_position(varchar, varchar) -> integer"], |c| {
            let compiled = Compiled::default();
            binary(c, |s: &str, p: &str| {
                compiled.with(p, |r| r.find(s).map_or(-1, |m| s[..m.start()].chars().count() as i32 + 1)).map(Some)
            })
        }),
    ]
}

/// The pattern of the row before, which is most often that of this row.
#[derive(Default)]
struct Compiled(RefCell<Option<(String, Regex)>>);

impl Compiled {
    fn with<R>(&self, pattern: &str, use_it: impl FnOnce(&Regex) -> R) -> Result<R> {
        let mut last = self.0.borrow_mut();
        if let Some((_, compiled)) = last.as_ref().filter(|(before, _)| before == pattern) {
            Ok(use_it(compiled))
        } else {
            let compiled = Regex::new(pattern).map_err(|e| refused(pattern, &e))?;
            let result = use_it(&compiled);
            *last = Some((pattern.to_owned(), compiled));
            Ok(result)
        }
    }
}

fn refused(pattern: &str, error: &regex::Error) -> DataFusionError {
    let text = error.to_string();
    if text.contains("look-around") || text.contains("backreferences") {
        return unsupported(format!("look-around and backreferences in the regular expression '{pattern}'"));
    }
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    data("INVALID_FUNCTION_ARGUMENT", format!("Invalid regular expression '{pattern}': {reason}"))
}

fn check_group(compiled: &Regex, group: i64) -> Result<usize> {
    let groups = compiled.captures_len() - 1;
    match usize::try_from(group) {
        Ok(group) if group <= groups => Ok(group),
        _ => {
            Err(data("INVALID_FUNCTION_ARGUMENT", format!("Pattern has {groups} groups. Cannot access group {group}")))
        }
    }
}

fn group_of(compiled: &Regex, text: &str, group: i64) -> Result<Option<String>> {
    let group = check_group(compiled, group)?;
    Ok(compiled.captures(text).and_then(|c| c.get(group)).map(|m| m.as_str().to_owned()))
}

fn extract(call: &Call) -> Result<ArrayRef> {
    let compiled = Compiled::default();
    match call.args.len() {
        2 => binary(call, |s: &str, p: &str| compiled.with(p, |r| r.find(s).map(|m| m.as_str().to_owned()))),
        _ => ternary(call, |s: &str, p: &str, group: i64| compiled.with(p, |r| group_of(r, s, group))?),
    }
}

fn groups_of(compiled: &Regex, text: &str, group: i64) -> Result<Option<Vec<String>>> {
    let group = check_group(compiled, group)?;
    let found = compiled.captures_iter(text).map(|c| c.get(group).map_or("", |m| m.as_str()).to_owned());
    ok(found.collect())
}

fn extract_all(call: &Call) -> Result<ArrayRef> {
    let compiled = Compiled::default();
    match call.args.len() {
        2 => binary(call, |s: &str, p: &str| compiled.with(p, |r| groups_of(r, s, 0))?),
        _ => ternary(call, |s: &str, p: &str, group: i64| compiled.with(p, |r| groups_of(r, s, group))?),
    }
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let compiled = Compiled::default();
    match call.args.len() {
        2 => binary(call, |s: &str, p: &str| compiled.with(p, |r| r.replace_all(s, "").into_owned()).map(Some)),
        _ => ternary(call, |s: &str, p: &str, new: &str| {
            let new = replacement(new);
            compiled.with(p, |r| r.replace_all(s, new.as_str()).into_owned()).map(Some)
        }),
    }
}

/// Java's `$1` takes digits only and `\$` is a dollar; Rust's `$1a` would be a group named `1a`.
fn replacement(java: &str) -> String {
    let mut out = String::with_capacity(java.len() + 4);
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(next) => out.push(next),
                None => out.push('\\'),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                out.push_str("${");
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    out.push(digit);
                }
                out.push('}');
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_replacements() {
        assert_eq!(replacement("3$2$1"), "3${2}${1}");
        assert_eq!(replacement("\\$1"), "$$1");
        assert_eq!(replacement("${name}"), "${name}");
    }
}
