//! DataFusion's errors under Trino's names.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use regex::Regex;

use crate::Error;

/// Stands on both sides of a name that travels through an error's text: where DataFusion keeps an error's text only.
const OPEN: char = '⟦';
/// Closes the message that belongs to the name.
const CLOSE: char = '⟧';

/// Athena's number of an error in the statement: syntax, types, names.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
pub(crate) const STATEMENT: i32 = 1006;
/// Athena's number of a missing table.
const TABLE: i32 = 1110;
/// Athena's number of an error in the data: division by zero, a cast that fails.
pub(crate) const DATA: i32 = 1301;
/// Athena's number of exhausted resources.
const RESOURCES: i32 = 1;

/// An error of the statement whose name survives DataFusion's handling of function signatures.
pub(crate) fn tagged(name: &str, message: &str) -> DataFusionError {
    DataFusionError::Plan(format!("{OPEN}{name}{OPEN}{message}{CLOSE}"))
}

/// An error of the statement.
pub(crate) fn statement(name: &'static str, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::user(name, STATEMENT, message)))
}

/// An error of the data.
pub(crate) fn data(name: &'static str, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::user(name, DATA, message)))
}

/// Athena has it, this engine has not.
pub(crate) fn unsupported(feature: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::unsupported(feature)))
}

/// Names an error as Trino does. Errors of this crate that travelled inside are unpacked.
pub fn error(error: DataFusionError) -> Error {
    if let Some(denied) = crate::error::denied(&error) {
        return denied;
    }
    match error {
        DataFusionError::External(inner) => external(inner),
        DataFusionError::Context(_, inner) => self::error(*inner),
        DataFusionError::Diagnostic(diagnostic, inner) => placed(self::error(*inner), diagnostic.span),
        DataFusionError::ArrowError(inner, _) => arrow(*inner),
        DataFusionError::SchemaError(inner, _) => schema(&inner),
        DataFusionError::Shared(inner) => shared(&inner),
        DataFusionError::ResourcesExhausted(text) => exhausted(&text),
        DataFusionError::Collection(mut all) if !all.is_empty() => self::error(all.swap_remove(0)),
        DataFusionError::ParquetError(inner) => {
            Error::user("HIVE_CANNOT_OPEN_SPLIT", DATA, format!("Parquet: {inner}"))
        }
        DataFusionError::NotImplemented(text) => Error::unsupported(first_line(&text)),
        DataFusionError::Plan(text) | DataFusionError::Execution(text) => {
            named(&text).unwrap_or_else(|| Error::user("SYNTAX_ERROR", STATEMENT, first_line(&text)))
        }
        other => {
            let text = other.to_string();
            named(&text).unwrap_or(Error::DataFusion(other))
        }
    }
}

/// An error of names with the place that a diagnostic gives it.
fn placed(error: Error, span: Option<datafusion::common::Span>) -> Error {
    match error {
        Error::Query { name: name @ ("COLUMN_NOT_FOUND" | "AMBIGUOUS_NAME"), message, category, error_type }
            if !message.starts_with("line ") =>
        {
            Error::Query { name, message: place(span) + &message, category, error_type }
        }
        other => other,
    }
}

fn external(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let inner = match inner.downcast::<Error>() {
        Ok(own) => return *own,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<DataFusionError>() {
        Ok(nested) => return error(*nested),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<ArrowError>() {
        Ok(nested) => return arrow(*nested),
        Err(inner) => inner,
    };
    named(&inner.to_string()).unwrap_or(Error::DataFusion(DataFusionError::External(inner)))
}

/// An error that several partitions hold can only be read.
fn shared(inner: &DataFusionError) -> Error {
    let root = inner.find_root();
    if let DataFusionError::External(boxed) = root
        && let Some(own) = boxed.downcast_ref::<Error>()
    {
        return copy(own);
    }
    match root {
        DataFusionError::ResourcesExhausted(text) => exhausted(text),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        other => named(&other.to_string())
            .unwrap_or_else(|| Error::DataFusion(DataFusionError::Execution(other.to_string()))),
    }
}

fn copy(error: &Error) -> Error {
    match error {
        Error::Query { name, message, category, error_type } => {
            Error::Query { name, message: message.clone(), category: *category, error_type: *error_type }
        }
        Error::Unsupported { feature } => Error::unsupported(feature.as_str()),
        Error::Cancelled => Error::Cancelled,
        other => Error::DataFusion(DataFusionError::Execution(other.to_string())),
    }
}

fn exhausted(text: &str) -> Error {
    let message = format!("Query exhausted resources at this scale factor: {}", first_line(text));
    Error::user("EXCEEDED_LOCAL_MEMORY_LIMIT", RESOURCES, message)
}

fn arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::user("DIVISION_BY_ZERO", DATA, "Division by zero"),
        ArrowError::ArithmeticOverflow(text) => Error::user("NUMERIC_VALUE_OUT_OF_RANGE", DATA, text),
        ArrowError::ExternalError(inner) => external(inner),
        other => {
            let text = other.to_string();
            named(&text).unwrap_or(Error::DataFusion(other.into()))
        }
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let place = place(field.spans().first());
            Error::user(
                "COLUMN_NOT_FOUND",
                STATEMENT,
                format!("{place}Column '{}' cannot be resolved", field.flat_name()),
            )
        }
        SchemaError::AmbiguousReference { field } => {
            let place = place(field.spans().first());
            Error::user("AMBIGUOUS_NAME", STATEMENT, format!("{place}Column '{}' is ambiguous", field.flat_name()))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::user("DUPLICATE_COLUMN_NAME", STATEMENT, format!("Column name '{name}' specified more than once"))
        }
    }
}

/// `line 1:8: `, if the place is known.
pub(crate) fn place(span: Option<datafusion::common::Span>) -> String {
    span.map_or(String::new(), |span| format!("line {}:{}: ", span.start.line, span.start.column))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Finds the name for an error that is only text.
fn named(text: &str) -> Option<Error> {
    if let Some((_, rest)) = text.split_once(OPEN)
        && let Some((name, rest)) = rest.split_once(OPEN)
    {
        let message = rest.split(CLOSE).next().unwrap_or(rest);
        return Some(Error::user(static_name(name), STATEMENT, message));
    }
    PATTERNS.iter().find_map(|(pattern, name, number, message)| {
        let found = Regex::new(pattern).ok()?.captures(text)?;
        let mut words = String::new();
        found.expand(message, &mut words);
        if matches!(*name, "TYPE_MISMATCH" | "INVALID_CAST_ARGUMENT" | "NUMERIC_VALUE_OUT_OF_RANGE") {
            words = trino_words(&words);
        }
        Some(Error::user(name, *number, words))
    })
}

/// Arrow's type names as Trino's.
fn trino_words(text: &str) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("Utf8View", "varchar"),
        ("LargeUtf8", "json"),
        ("Utf8", "varchar"),
        ("Int64", "bigint"),
        ("Int32", "integer"),
        ("Float64", "double"),
        ("Float32", "real"),
        ("Date32", "date"),
        ("Boolean", "boolean"),
        ("Decimal128", "decimal"),
    ];
    WORDS.iter().fold(text.to_owned(), |text, (arrow, trino)| text.replace(arrow, trino))
}

/// The names that [`tagged`] carries.
fn static_name(name: &str) -> &'static str {
    const NAMES: [&str; 4] = ["FUNCTION_NOT_FOUND", "TYPE_MISMATCH", "INVALID_FUNCTION_ARGUMENT", "SYNTAX_ERROR"];
    NAMES.into_iter().find(|known| *known == name).unwrap_or("GENERIC_USER_ERROR")
}

/// DataFusion's wording, Trino's name and Athena's number for it, and Trino's wording.
const PATTERNS: [(&str, &str, i32, &str); 16] = [
    (r"table '([^']*)' not found", "TABLE_NOT_FOUND", TABLE, "Table '$1' does not exist"),
    (r"(?:failed to resolve (?:catalog|schema)): (\S+)", "SCHEMA_NOT_FOUND", STATEMENT, "Schema '$1' does not exist"),
    (r"Invalid function '([^']*)'", "FUNCTION_NOT_FOUND", STATEMENT, "Function '$1' not registered"),
    (
        r#"Column in (?:SELECT|HAVING|ORDER BY|QUALIFY) must be in GROUP BY or an aggregate function: .*?[Cc]olumn "([^"]*)""#,
        "EXPRESSION_NOT_AGGREGATE",
        STATEMENT,
        "'$1' must be an aggregate expression or appear in GROUP BY clause",
    ),
    (
        r"must (?:be in|appear in the) GROUP BY.*",
        "EXPRESSION_NOT_AGGREGATE",
        STATEMENT,
        "an expression must be an aggregate expression or appear in GROUP BY clause ($0)",
    ),
    (r"[Dd]ivide by zero", "DIVISION_BY_ZERO", DATA, "Division by zero"),
    (r"Cannot cast string '(.*)' to value of (\w+) type", "INVALID_CAST_ARGUMENT", DATA, "Cannot cast '$1' to $2"),
    (r"Error parsing timestamp from '(.*?)'", "INVALID_CAST_ARGUMENT", DATA, "Value cannot be cast to timestamp: $1"),
    (r"Can't cast value (.*) to type (\w+)", "NUMERIC_VALUE_OUT_OF_RANGE", DATA, "Out of range for $2: $1"),
    (r"Overflow happened on: (.*)", "NUMERIC_VALUE_OUT_OF_RANGE", DATA, "integer overflow: $1"),
    (r"is too large to store in a (Decimal\S*)", "INVALID_CAST_ARGUMENT", DATA, "Value does not fit: $0"),
    (
        r"Scalar subquery .*more than one row.*",
        "SUBQUERY_MULTIPLE_ROWS",
        DATA,
        "Scalar sub-query has returned multiple rows",
    ),
    (
        r"Cannot create filter with non-boolean predicate '.*' returning (\w+)",
        "TYPE_MISMATCH",
        STATEMENT,
        "WHERE clause must evaluate to a boolean: actual type $1",
    ),
    (r"Cannot (?:coerce|infer) .*", "TYPE_MISMATCH", STATEMENT, "$0"),
    (
        r"[Ss]ubquery should only return one column.*",
        "SYNTAX_ERROR",
        STATEMENT,
        "Multiple columns returned by subquery are not supported",
    ),
    (r"Unsupported.*|not implemented.*|not supported.*", "NOT_SUPPORTED", STATEMENT, "$0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_errors_come_back_whole() {
        let inside = DataFusionError::Context("rule".into(), Box::new(unsupported("lambdas")));
        assert!(matches!(error(inside), Error::Unsupported { feature } if feature == "lambdas"));
    }

    #[test]
    fn names_travel_in_text() {
        let wrapped = DataFusionError::Plan(format!("{} No function matches", tagged("FUNCTION_NOT_FOUND", "no f")));
        assert_eq!(error(wrapped).to_string(), "FUNCTION_NOT_FOUND: no f");
    }

    #[test]
    fn datafusions_words_become_trinos() {
        let missing = DataFusionError::Plan("table 'awsdatacatalog.appdb.x' not found".into());
        assert_eq!(error(missing).to_string(), "TABLE_NOT_FOUND: Table 'awsdatacatalog.appdb.x' does not exist");
        let zero = DataFusionError::from(ArrowError::DivideByZero);
        assert_eq!(error(zero).to_string(), "DIVISION_BY_ZERO: Division by zero");
    }
}
