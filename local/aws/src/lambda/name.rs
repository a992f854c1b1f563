//! Function names: plain, as an ARN, or as a part of one; with the version `$LATEST` or none.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#lambda-Invoke-request-FunctionName>

use super::LambdaError;

/// The only version that there is.
const LATEST: &str = "$LATEST";

/// The name in `text`.
pub(super) fn function_name(text: &str) -> Result<&str, LambdaError> {
    let rest = text.rsplit_once("function:").map_or(text, |(_, rest)| rest);
    let (name, version) = rest.split_once(':').unwrap_or((rest, LATEST));
    if version != LATEST {
        return Err(LambdaError::InvalidName(format!("versions and aliases are not supported: {text}")));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err(LambdaError::InvalidName(format!("'{text}' is no function name")));
    }
    Ok(name)
}

/// Undoes the percent-encoding of a path segment; what is not UTF-8 is replaced.
pub(super) fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_understood() {
        for text in [
            "full-load",
            "full-load:$LATEST",
            "000000000000:function:full-load",
            "arn:aws:lambda:us-east-1:000000000000:function:full-load",
            "arn:aws:lambda:us-east-1:000000000000:function:full-load:$LATEST",
        ] {
            assert_eq!(function_name(text).unwrap(), "full-load", "{text}");
        }
        assert!(function_name("full-load:7").unwrap_err().to_string().contains("versions"));
        assert!(function_name("../x").is_err());
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decoded("arn%3Aaws%3alambda%"), "arn:aws:lambda%");
    }
}
