//! Bytes: encodings and digests.
//! Source: <https://trino.io/docs/current/functions/binary.html>

use std::sync::Arc;

use arrow::array::ArrayRef;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

use super::super::error::data;
use super::super::function::{Call, Function, Run, ok, unary};

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    vec![
        own("to_utf8(varchar) -> varbinary", |c| unary(c, |s: &str| ok(s.as_bytes().to_vec()))),
        own("from_utf8(varbinary) -> varchar", |c| unary(c, |b: &[u8]| ok(String::from_utf8_lossy(b).into_owned()))),
        own("to_hex(varbinary) -> varchar", |c| unary(c, |b: &[u8]| ok(hex(b)))),
        own("from_hex(varchar) -> varbinary", |c| unary(c, |s: &str| from_hex(s).map(Some))),
        own("to_base64(varbinary) -> varchar", |c| unary(c, |b: &[u8]| ok(STANDARD.encode(b)))),
        own("to_base64url(varbinary) -> varchar", |c| unary(c, |b: &[u8]| ok(URL_SAFE.encode(b)))),
        own("from_base64(varchar) -> varbinary", |c| decode(c, &STANDARD)),
        own("from_base64url(varchar) -> varbinary", |c| decode(c, &URL_SAFE)),
        own("md5(varbinary) -> varbinary", |c| unary(c, |b: &[u8]| ok(Md5::digest(b).to_vec()))),
        own("sha256(varbinary) -> varbinary", |c| unary(c, |b: &[u8]| ok(Sha256::digest(b).to_vec()))),
        own("sha512(varbinary) -> varbinary", |c| unary(c, |b: &[u8]| ok(Sha512::digest(b).to_vec()))),
        own("crc32(varbinary) -> bigint", |c| {
            unary(c, |b: &[u8]| {
                let mut sum = flate2::Crc::new();
                sum.update(b);
                ok(i64::from(sum.sum()))
            })
        }),
    ]
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(data(INVALID, "Invalid input length ".to_owned() + &digits.len().to_string()));
    }
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
    let bytes: Option<_> = digits.chunks(2).map(byte).collect();
    bytes.ok_or_else(|| data(INVALID, format!("Invalid hex text '{text}'")))
}

fn decode(call: &Call, alphabet: &impl base64::Engine) -> Result<ArrayRef> {
    unary(call, |s: &str| {
        alphabet.decode(s).map(Some).map_err(|e| data(INVALID, format!("Invalid base64 text '{s}': {e}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(hex(b"\x00\xff"), "00FF");
        assert_eq!(from_hex("00fF").unwrap(), [0, 255]);
        from_hex("0").unwrap_err();
        from_hex("zz").unwrap_err();
    }
}
