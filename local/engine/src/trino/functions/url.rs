//! Parts of URLs, as `java.net.URI` finds them: relative ones too; what is not a URI gives NULL.
//! Source: <https://trino.io/docs/current/functions/url.html>

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::super::error::data;
use super::super::function::{Function, Run, binary, ok, unary};

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    vec![
        own("url_extract_protocol(varchar) -> varchar", |c| {
            unary(c, |s: &str| Ok(parse(s).map(|u| u.scheme.unwrap_or_default().to_owned())))
        }),
        own("url_extract_host(varchar) -> varchar", |c| {
            unary(c, |s: &str| Ok(parse(s).map(|u| u.host().0.to_owned())))
        }),
        own("url_extract_port(varchar) -> bigint", |c| unary(c, |s: &str| Ok(parse(s).and_then(|u| u.host().1)))),
        own("url_extract_path(varchar) -> varchar", |c| unary(c, |s: &str| Ok(parse(s).map(|u| percent(u.path))))),
        own("url_extract_query(varchar) -> varchar", |c| {
            unary(c, |s: &str| Ok(parse(s).map(|u| percent(u.query.unwrap_or_default()))))
        }),
        own("url_extract_fragment(varchar) -> varchar", |c| {
            unary(c, |s: &str| Ok(parse(s).map(|u| percent(u.fragment.unwrap_or_default()))))
        }),
        own("url_extract_parameter(varchar, varchar) -> varchar", |c| {
            binary(c, |s: &str, name: &str| Ok(parse(s).and_then(|u| parameter(u.query?, name))))
        }),
        own("url_encode(varchar) -> varchar", |c| unary(c, |s: &str| ok(encode(s)))),
        own("url_decode(varchar) -> varchar", |c| {
            unary(c, |s: &str| {
                let decoded = decode(&s.replace('+', " "));
                decoded.map(Some).ok_or_else(|| data("INVALID_FUNCTION_ARGUMENT", format!("Illegal escape in '{s}'")))
            })
        }),
    ]
}

struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// RFC 3986, appendix B.
fn parse(text: &str) -> Option<Url<'_>> {
    let illegal = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    if text.contains(illegal) || decode(text).is_none() {
        return None;
    }
    let (rest, fragment) = cut(text, '#');
    let (rest, query) = cut(rest, '?');
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        Some((before, _)) if !before.contains('/') => return None,
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    Some(Url { scheme, authority, path, query, fragment })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

impl<'a> Url<'a> {
    fn host(&self) -> (&'a str, Option<i64>) {
        let authority = self.authority.unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (name, port.parse().ok())
            }
            _ => (host.trim_end_matches(':'), None),
        }
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key)? == name).then(|| decode(&value.replace('+', " "))).flatten()
    })
}

/// A part with its escapes resolved; `parse` has checked them.
fn percent(text: &str) -> String {
    decode(text).unwrap_or_else(|| text.to_owned())
}

fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let url = parse("http://user@example.com:8080/a%20b?k1=v1&k2=a+b#Ref1").unwrap();
        assert_eq!((url.scheme, url.host()), (Some("http"), ("example.com", Some(8080))));
        assert_eq!((percent(url.path).as_str(), url.fragment), ("/a b", Some("Ref1")));
        assert_eq!(parameter(url.query.unwrap(), "k2").as_deref(), Some("a b"));
        assert_eq!(parameter(url.query.unwrap(), "k3"), None);
    }

    #[test]
    fn relative_and_broken_urls() {
        assert_eq!(parse("/products/1?ref=x").unwrap().path, "/products/1");
        assert!(parse("http://not a url").is_none());
        assert!(parse("/a%zz").is_none());
        assert_eq!(encode("a b/ü"), "a+b%2F%C3%BC");
    }
}
