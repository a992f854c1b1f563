//! Writing the file.

use std::io::Write;

use local_engine::Row;
use local_engine::lake::{Lake, S3Uri, StagedObject};

use super::super::query::{Query, ResultForm};
use super::{ResultError, in_background};

/// Text is gathered up to this many bytes before it goes to the disk.
const BUFFER: usize = 1 << 20;

/// A result file under way. Dropped before [`ResultFile::finish`], it leaves nothing.
#[derive(Debug)]
pub(in crate::athena) struct ResultFile {
    form: ResultForm,
    staged: Option<StagedObject>,
    buffer: Vec<u8>,
}

impl ResultFile {
    /// Begins the file of a query whose columns are known.
    pub(in crate::athena) fn create(lake: &Lake, query: &Query) -> Result<Self, ResultError> {
        let form = query.result_form;
        let staged = match form {
            ResultForm::Nothing => None,
            ResultForm::Table | ResultForm::Text => Some(lake.stage(&S3Uri::parse(&query.output_location)?)?),
        };
        let mut file = Self { form, staged, buffer: Vec::new() };
        if form == ResultForm::Table {
            let header: Row = query.columns.iter().map(|column| Some(column.name.clone())).collect();
            push_csv(&mut file.buffer, &header);
        }
        Ok(file)
    }

    pub(in crate::athena) async fn write(&mut self, rows: Vec<Row>) -> Result<(), ResultError> {
        for row in &rows {
            match self.form {
                ResultForm::Table => push_csv(&mut self.buffer, row),
                ResultForm::Text => push_line(&mut self.buffer, row),
                ResultForm::Nothing => {}
            }
        }
        if self.buffer.len() >= BUFFER { self.flush().await } else { Ok(()) }
    }

    /// Makes the file visible; answers with its size in bytes.
    pub(in crate::athena) async fn finish(mut self) -> Result<u64, ResultError> {
        let Some(mut staged) = self.staged.take() else { return Ok(0) };
        let buffer = self.buffer;
        in_background(move || {
            staged.write_all(&buffer)?;
            Ok(staged.commit()?.size)
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ResultError> {
        let buffer = std::mem::take(&mut self.buffer);
        if let Some(mut staged) = self.staged.take() {
            let write = move || staged.write_all(&buffer).map(|()| staged).map_err(ResultError::from);
            self.staged = Some(in_background(write).await?);
        }
        Ok(())
    }
}

fn push_csv(text: &mut Vec<u8>, row: &Row) {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        if let Some(value) = value {
            text.push(b'"');
            text.extend_from_slice(value.replace('"', "\"\"").as_bytes());
            text.push(b'"');
        }
    }
    text.push(b'\n');
}

fn push_line(text: &mut Vec<u8>, row: &Row) {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            text.push(b'\t');
        }
        text.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
    }
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_the_empty_text_differ() {
        let mut text = Vec::new();
        push_csv(&mut text, &vec![Some("a\"b".into()), None, Some(String::new())]);
        assert_eq!(String::from_utf8(text).unwrap(), "\"a\"\"b\",,\"\"\n");
    }
}
