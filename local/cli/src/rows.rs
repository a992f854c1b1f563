//! One line of CSV, read as Athena's `OpenCSVSerDe` reads it with its default settings.
//!
//! This is a second reader beside the engine's, on purpose: the proof that `demo` gives must not stand on what it proves.
//! Fields are separated by commas and may stand in quotation marks, where `""` is one mark and `\` takes the next
//! character as it is. A record is one line: a quoted field cannot hold a line break.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>

use std::borrow::Cow;

/// A line that is not CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A quotation mark that is opened and not closed on the line.
    #[error("the quoted field {0} is not closed on its line")]
    OpenQuote(usize),
    /// Something stands between a closing quotation mark and the next comma.
    #[error("something follows the closing quotation mark of field {0}")]
    AfterQuote(usize),
}

/// The fields of a line, without its line break.
///
/// # Errors
/// [`RowError`], with the field's number from 1.
pub fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, RowError> {
    if !line.contains(['"', '\\']) {
        return Ok(line.split(',').map(Cow::Borrowed).collect());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, fields.len() + 1)?,
            None => plain_field(rest),
        };
        fields.push(field);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(fields),
        }
    }
}

/// A field and, when a comma follows it, what stands behind the comma.
type Field<'a> = (Cow<'a, str>, Option<&'a str>);

fn plain_field(text: &str) -> Field<'_> {
    let (field, behind) = match text.split_once(',') {
        Some((field, behind)) => (field, Some(behind)),
        None => (text, None),
    };
    (Cow::Borrowed(field), behind)
}

fn quoted_field(text: &str, number: usize) -> Result<Field<'_>, RowError> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '"' if characters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            '"' => {
                let behind = &text[index + 1..];
                return match behind.strip_prefix(',') {
                    Some(behind) => Ok((Cow::Owned(value), Some(behind))),
                    None if behind.is_empty() => Ok((Cow::Owned(value), None)),
                    None => Err(RowError::AfterQuote(number)),
                };
            }
            other => value.push(other),
        }
    }
    Err(RowError::OpenQuote(number))
}

#[cfg(test)]
mod tests {
    use super::{RowError, fields};

    #[test]
    fn splits_plain_and_quoted_fields() {
        assert_eq!(fields("1,2,,4").unwrap(), ["1", "2", "", "4"]);
        assert_eq!(fields(r#"1,"a ""b"", c",x"#).unwrap(), ["1", r#"a "b", c"#, "x"]);
        assert_eq!(fields(r#""größe","","#).unwrap(), ["größe", "", ""]);
        assert_eq!(fields(r#""a\"b","c""#).unwrap(), [r#"a"b"#, "c"]);
    }

    #[test]
    fn refuses_broken_quotes_by_field() {
        assert_eq!(fields(r#"1,"open"#), Err(RowError::OpenQuote(2)));
        assert_eq!(fields(r#"1,2,"a"b,4"#), Err(RowError::AfterQuote(3)));
    }
}
