//! `GetQueryResults`: reading the file, page by page.

use std::io::{BufRead, BufReader, Seek, SeekFrom};

use local_engine::Row;
use local_engine::lake::{LakeError, S3Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Athena;
use super::super::error::{internal, invalid};
use super::super::executions;
use super::super::query::{Query, ResultColumn, ResultForm, State};
use super::ResultError;
use crate::error::WireError;

/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html>
const LONGEST_PAGE: i64 = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::athena) struct GetQueryResults {
    query_execution_id: String,
    max_results: Option<i64>,
    next_token: Option<String>,
    query_result_type: Option<String>,
}

/// Rows, and where in the file the next page begins.
struct Page {
    rows: Vec<Row>,
    next: Option<u64>,
}

pub(in crate::athena) fn get(athena: &Athena, input: &GetQueryResults) -> Result<Value, WireError> {
    if input.query_result_type.as_deref().is_some_and(|kind| kind != "DATA_ROWS") {
        return Err(invalid("the local cloud does not support QueryResultType other than DATA_ROWS"));
    }
    let length = page_length(input.max_results)?;
    let query = executions::find(athena, &input.query_execution_id)?;
    require_success(query.state)?;
    let start = match input.next_token.as_deref() {
        Some(token) => token.parse().map_err(|_| invalid(format!("{token:?} is not a NextToken of this query")))?,
        None => 0,
    };
    let page = match read_page(athena, &query, start, length) {
        Ok(page) => page,
        Err(ResultError::Lake(LakeError::NoSuchKey { .. } | LakeError::NoSuchBucket { .. })) => {
            return Err(invalid("Could not find results"));
        }
        Err(error) => return Err(internal(error)),
    };
    let columns: Vec<Value> = query.columns.iter().map(column_info).collect();
    let rows: Vec<Value> = page.rows.into_iter().map(row).collect();
    let mut output = json!({
        "UpdateCount": query.update_count.unwrap_or_default(),
        "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}},
    });
    if let Some(next) = page.next {
        output["NextToken"] = next.to_string().into();
    }
    Ok(output)
}

fn page_length(asked: Option<i64>) -> Result<usize, WireError> {
    let asked = asked.unwrap_or(LONGEST_PAGE);
    if !(1..=LONGEST_PAGE).contains(&asked) {
        return Err(invalid(format!("MaxResults must be between 1 and {LONGEST_PAGE}, and is {asked}")));
    }
    usize::try_from(asked).map_err(internal)
}

fn require_success(state: State) -> Result<(), WireError> {
    match state {
        State::Succeeded => Ok(()),
        State::Queued | State::Running => {
            Err(invalid(format!("Query has not yet finished. Current state: {}", state.name())))
        }
        State::Failed | State::Cancelled => {
            Err(invalid(format!("Query did not finish successfully. Final query state: {}", state.name())))
        }
    }
}

fn read_page(athena: &Athena, query: &Query, start: u64, length: usize) -> Result<Page, ResultError> {
    let read = match query.result_form {
        ResultForm::Table => read_csv,
        ResultForm::Text => read_line,
        ResultForm::Nothing => return Ok(Page { rows: Vec::new(), next: None }),
    };
    let mut file = athena.inner.engine.lake().open_object(&S3Uri::parse(&query.output_location)?)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(start))?;
    let mut file = BufReader::new(file);
    let mut rows = Vec::new();
    let mut at = start;
    while rows.len() < length && at < size {
        let (row, bytes) = read(&mut file)?;
        rows.push(row);
        at += bytes;
    }
    Ok(Page { rows, next: (at < size).then_some(at) })
}

/// One record, and its length in bytes.
fn read_csv<R: BufRead>(file: &mut R) -> Result<(Row, u64), ResultError> {
    let mut record = Vec::new();
    let mut open = true;
    while open {
        if file.read_until(b'\n', &mut record)? == 0 {
            return Err(ResultError::Damaged);
        }
        // A line ends the record if all quotes are closed: doubled ones come in twos.
        open = record.split(|byte| *byte == b'"').count().is_multiple_of(2);
    }
    let length = u64::try_from(record.len()).unwrap_or(u64::MAX);
    let text = String::from_utf8(record).map_err(|_| ResultError::Damaged)?;
    Ok((fields(text.strip_suffix('\n').unwrap_or(&text))?, length))
}

fn fields(mut record: &str) -> Result<Row, ResultError> {
    let mut row = Row::new();
    loop {
        let (value, rest) = match record.strip_prefix('"') {
            None => (None, record),
            Some(quoted) => {
                let end = closing_quote(quoted).ok_or(ResultError::Damaged)?;
                (Some(quoted[..end].replace("\"\"", "\"")), &quoted[end + 1..])
            }
        };
        row.push(value);
        match rest.strip_prefix(',') {
            Some(next) => record = next,
            None if rest.is_empty() => return Ok(row),
            None => return Err(ResultError::Damaged),
        }
    }
}

/// Where the quote is that ends the value: the first that is not doubled.
fn closing_quote(quoted: &str) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    loop {
        at += quoted[at..].find('"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn read_line<R: BufRead>(file: &mut R) -> Result<(Row, u64), ResultError> {
    let mut line = String::new();
    let length = file.read_line(&mut line)?;
    line.truncate(line.trim_end_matches('\n').len());
    Ok((vec![Some(line)], u64::try_from(length).unwrap_or(u64::MAX)))
}

fn row(values: Row) -> Value {
    let datum = |value: Option<String>| value.map_or_else(|| json!({}), |value| json!({"VarCharValue": value}));
    json!({"Data": values.into_iter().map(datum).collect::<Vec<_>>()})
}

fn column_info(column: &ResultColumn) -> Value {
    json!({
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": column.type_name,
        "Precision": column.precision,
        "Scale": column.scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": column.type_name == "varchar" || column.type_name == "char",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut text = "\"a\"\"b\",,\"\"\n\"line\nbreak\",\"x,\"\"\"\n".as_bytes();
        let (first, length) = read_csv(&mut text).unwrap();
        assert_eq!(first, [Some("a\"b".to_owned()), None, Some(String::new())]);
        assert_eq!(length, 11);
        let (second, _) = read_csv(&mut text).unwrap();
        assert_eq!(second, [Some("line\nbreak".to_owned()), Some("x,\"".to_owned())]);
        assert!(read_csv(&mut text).is_err());
    }
}
