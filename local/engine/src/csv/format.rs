//! How a table's text is written: what its SerDe and its table properties say.

use crate::catalog::{Parameters, StorageDescriptor};
use crate::{Error, Result};

const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";

/// How one table's (or partition's) files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextFormat {
    pub(super) serde: Serde,
    /// Lines that every file begins with and that are no rows: `skip.header.line.count`.
    pub(super) header_lines: usize,
    /// `use.null.for.invalid.data`: OpenCSVSerDe's bad numbers are NULL instead of an error.
    /// Source: <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>
    pub(super) null_for_invalid: bool,
}

/// The two SerDes, with their settings. All characters are ASCII, so they never match inside a UTF-8 sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Serde {
    /// OpenCSVSerDe: quoted values.
    OpenCsv { separator: u8, quote: u8, escape: u8 },
    /// LazySimpleSerDe: delimited text without quotes.
    Delimited { separator: u8, escape: Option<u8>, null: Vec<u8>, last_takes_rest: bool },
}

impl TextFormat {
    /// Reads the settings out of a table's or a partition's storage descriptor and the table's parameters.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another SerDe, input format or setting; `HIVE_INVALID_METADATA` for one that makes no
    /// sense.
    pub(super) fn new(storage: &StorageDescriptor, table: &Parameters) -> Result<Self> {
        refuse_other_input(storage)?;
        refuse_other_settings(storage, table)?;
        let serde_info = storage.serde_info.as_ref();
        let empty = Parameters::new();
        let parameters = serde_info.map_or(&empty, |info| &info.parameters);
        let serde = match serde_info.and_then(|info| info.serialization_library.as_deref()) {
            Some(OPEN_CSV) => open_csv(parameters)?,
            Some(LAZY_SIMPLE) | None => delimited(parameters)?,
            Some(other) => return Err(Error::unsupported(format!("the SerDe {other}"))),
        };
        Ok(Self {
            serde,
            header_lines: count(table, "skip.header.line.count")?,
            null_for_invalid: flag(table, "use.null.for.invalid.data")?,
        })
    }
}

impl TextFormat {
    pub(super) fn is_open_csv(&self) -> bool {
        matches!(self.serde, Serde::OpenCsv { .. })
    }
}

impl Serde {
    /// What ends a field.
    pub(super) fn separator(&self) -> u8 {
        match self {
            Self::OpenCsv { separator, .. } | Self::Delimited { separator, .. } => *separator,
        }
    }

    /// The first byte that makes its line need the long way.
    pub(super) fn find_special(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::OpenCsv { quote, escape, .. } => memchr::memchr2(*quote, *escape, text),
            Self::Delimited { escape, .. } => escape.and_then(|escape| memchr::memchr(escape, text)),
        }
    }
}

fn refuse_other_input(storage: &StorageDescriptor) -> Result<()> {
    match storage.input_format.as_deref() {
        None | Some(TEXT_INPUT) => Ok(()),
        Some(other) => Err(Error::unsupported(format!("the input format {other}"))),
    }
}

fn refuse_other_settings(storage: &StorageDescriptor, table: &Parameters) -> Result<()> {
    if count(table, "skip.footer.line.count")? > 0 {
        return Err(Error::unsupported("the table property skip.footer.line.count"));
    }
    if flag(table, "projection.enabled")? {
        return Err(Error::unsupported("partition projection (projection.enabled)"));
    }
    let Some(serde) = &storage.serde_info else { return Ok(()) };
    for name in ["timestamp.formats", "serialization.encoding", "collection.delim.nested"] {
        if let Some(value) = serde.parameters.get(name).filter(|value| !is_default(name, value)) {
            return Err(Error::unsupported(format!("the SerDe property {name} = {value}")));
        }
    }
    match serde.parameters.get("line.delim").map(String::as_str) {
        None | Some("" | "\n" | "\\n" | "10") => Ok(()),
        Some(other) => Err(Error::unsupported(format!("LINES TERMINATED BY {other:?}"))),
    }
}

fn is_default(name: &str, value: &str) -> bool {
    value.is_empty() || (name == "serialization.encoding" && value.eq_ignore_ascii_case("utf-8"))
}

/// Hive takes the first character of each setting. Its default escape is the quote character, which its CSV library
/// refuses, so Hive falls back to a backslash then.
/// Source: `OpenCSVSerde.newReader` in Apache Hive.
fn open_csv(parameters: &Parameters) -> Result<Serde> {
    let separator = character(parameters, "separatorchar", b',')?;
    let quote = character(parameters, "quotechar", b'"')?;
    let escape = match character(parameters, "escapechar", b'\\')? {
        b'"' => b'\\',
        escape => escape,
    };
    if separator == quote || separator == escape || (quote == escape && quote != 0) {
        return Err(invalid("separatorChar, quoteChar and escapeChar must differ"));
    }
    Ok(Serde::OpenCsv { separator, quote, escape })
}

fn delimited(parameters: &Parameters) -> Result<Serde> {
    let separator = match get(parameters, "field.delim").or_else(|| get(parameters, "serialization.format")) {
        None | Some("") => 1,
        Some(value) => delimiter(value)?,
    };
    let escape = match get(parameters, "escape.delim") {
        None | Some("") => None,
        Some(value) => Some(delimiter(value)?),
    };
    let null = get(parameters, "serialization.null.format").unwrap_or("\\N").as_bytes().to_vec();
    let last_takes_rest = flag(parameters, "serialization.last.column.takes.rest")?;
    Ok(Serde::Delimited { separator, escape, null, last_takes_rest })
}

/// Hive reads a number as the byte's code (`'9'` is a tab), anything else as its first character.
/// Source: `LazyUtils.getByte` in Apache Hive.
fn delimiter(value: &str) -> Result<u8> {
    match value.parse::<i8>() {
        Ok(code) => u8::try_from(code).map_err(|_| Error::unsupported(format!("the delimiter {value:?}"))),
        Err(_) => match value.as_bytes() {
            [b'\\', b't'] => Ok(b'\t'),
            _ => ascii(value),
        },
    }
}

fn character(parameters: &Parameters, name: &str, default: u8) -> Result<u8> {
    match get(parameters, name) {
        None | Some("") => Ok(default),
        Some("\\t") => Ok(b'\t'),
        Some(value) => ascii(value),
    }
}

fn ascii(value: &str) -> Result<u8> {
    value
        .chars()
        .next()
        .and_then(|first| u8::try_from(first).ok())
        .filter(u8::is_ascii)
        .ok_or_else(|| Error::unsupported(format!("the delimiter {value:?}: only ASCII characters are")))
}

/// SerDe properties are matched without regard to case: `separatorChar` reaches Hive in any spelling.
fn get<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn count(parameters: &Parameters, name: &str) -> Result<usize> {
    match get(parameters, name) {
        None => Ok(0),
        Some(value) => value.trim().parse().map_err(|_| invalid(format!("{name} is {value:?}, not a number of lines"))),
    }
}

fn flag(parameters: &Parameters, name: &str) -> Result<bool> {
    match get(parameters, name) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) => Err(invalid(format!("{name} is {value:?}, not true or false"))),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::user("HIVE_INVALID_METADATA", 1001, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::SerDeInfo;

    fn storage(library: &str, parameters: &[(&str, &str)]) -> StorageDescriptor {
        StorageDescriptor {
            serde_info: Some(SerDeInfo {
                name: None,
                serialization_library: Some(library.to_owned()),
                parameters: pairs(parameters),
            }),
            ..StorageDescriptor::default()
        }
    }

    fn pairs(parameters: &[(&str, &str)]) -> Parameters {
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn serde(library: &str, parameters: &[(&str, &str)]) -> Result<Serde> {
        TextFormat::new(&storage(library, parameters), &Parameters::new()).map(|format| format.serde)
    }

    #[test]
    fn open_csv_settings() {
        let default = Serde::OpenCsv { separator: b',', quote: b'"', escape: b'\\' };
        assert_eq!(serde(OPEN_CSV, &[]).unwrap(), default);
        assert_eq!(serde(OPEN_CSV, &[("escapeChar", "\""), ("quoteChar", "\"")]).unwrap(), default);
        let other = Serde::OpenCsv { separator: b'\t', quote: b'\'', escape: b'~' };
        let given = [("separatorChar", "\t"), ("quoteChar", "'"), ("escapeChar", "~")];
        assert_eq!(serde(OPEN_CSV, &given).unwrap(), other);
        assert!(serde(OPEN_CSV, &[("separatorChar", "\"")]).is_err());
        assert!(serde(OPEN_CSV, &[("separatorChar", "é")]).is_err());
    }

    #[test]
    fn delimited_settings() {
        let separator = |parameters: &[(&str, &str)]| serde(LAZY_SIMPLE, parameters).unwrap().separator();
        assert_eq!(separator(&[]), 1);
        assert_eq!(separator(&[("field.delim", ",")]), b',');
        assert_eq!(separator(&[("field.delim", "9")]), b'\t');
        assert_eq!(separator(&[("field.delim", "\\t")]), b'\t');
        assert_eq!(separator(&[("serialization.format", ";")]), b';');
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let other = serde("org.openx.data.jsonserde.JsonSerDe", &[]).unwrap_err().to_string();
        assert!(other.contains("JsonSerDe"), "{other}");
        let table = pairs(&[("skip.footer.line.count", "1")]);
        let footer = TextFormat::new(&storage(OPEN_CSV, &[]), &table).unwrap_err().to_string();
        assert!(footer.contains("skip.footer.line.count"), "{footer}");
        let table = pairs(&[("skip.header.line.count", "one")]);
        let header = TextFormat::new(&storage(OPEN_CSV, &[]), &table).unwrap_err().to_string();
        assert!(header.starts_with("HIVE_INVALID_METADATA"), "{header}");
    }
}
