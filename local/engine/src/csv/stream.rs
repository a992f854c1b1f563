//! One stream of a scan: takes ranges from the queue until there are none, and makes batches of their blocks.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use futures::Stream;

use super::chunks::{self, Chunks};
use super::field_type::FieldType;
use super::files::{Queue, TextFile};
use super::format::{Serde, TextFormat};
use super::scan::{Constants, Output, Source, record_batch};
use super::split::{Rows, Splitter, Wanted};
use super::values::{self, BadValue, Conversion, Text};
use crate::{Error, Result};

/// The state of one stream.
pub(super) struct ScanStream {
    source: Arc<Source>,
    queue: Arc<Queue>,
    outputs: Arc<[Output]>,
    constants: ConstantColumns,
    schema: SchemaRef,
    batch_size: usize,
    /// The files' columns that the outputs need, by number.
    fields: Vec<usize>,
    reading: Option<Reading>,
    /// The last range's buffer.
    buffer: Vec<u8>,
    rows: Rows,
    /// Rows of the last block that were not given yet.
    pending: Option<RecordBatch>,
}

/// The range being read.
struct Reading {
    file: usize,
    chunks: Chunks,
    splitter: Splitter,
    conversion: Conversion,
}

impl ScanStream {
    pub(super) fn new(
        source: Arc<Source>,
        queue: Arc<Queue>,
        outputs: Arc<[Output]>,
        constants: Arc<Constants>,
        schema: SchemaRef,
        batch_size: usize,
    ) -> Self {
        let mut fields: Vec<usize> = outputs.iter().filter_map(|output| output.field()).collect();
        fields.sort_unstable();
        fields.dedup();
        Self {
            source,
            queue,
            outputs,
            constants: ConstantColumns { constants, partition: usize::MAX, columns: Vec::new() },
            schema,
            batch_size: batch_size.max(1),
            fields,
            reading: None,
            buffer: Vec::new(),
            rows: Rows::default(),
            pending: None,
        }
    }

    /// The batches, one at a time. Between two of them the task yields: otherwise the runtime would keep all streams,
    /// which wake each other, on one thread.
    pub(super) fn batches(
        self,
        metrics: &ExecutionPlanMetricsSet,
        partition: usize,
    ) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + use<> {
        let metrics = BaselineMetrics::new(metrics, partition);
        futures::stream::try_unfold((Box::new(self), metrics), |(mut stream, metrics)| async move {
            if stream.pending.is_none() {
                tokio::task::yield_now().await;
            }
            let timer = metrics.elapsed_compute().timer();
            let batch = stream.next_batch()?;
            timer.done();
            Ok(batch.map(|batch| {
                metrics.record_output(batch.num_rows());
                (batch, (stream, metrics))
            }))
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        loop {
            if let Some(batch) = self.take_pending() {
                return Ok(Some(batch));
            }
            let Some(mut reading) = self.reading.take() else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            match self.read_block(&mut reading)? {
                Some(batch) => {
                    self.pending = Some(batch);
                    self.reading = Some(reading);
                }
                None => self.buffer = reading.chunks.into_buffer(),
            }
        }
    }

    fn take_pending(&mut self) -> Option<RecordBatch> {
        let batch = self.pending.take()?;
        if batch.num_rows() <= self.batch_size {
            return Some(batch);
        }
        self.pending = Some(batch.slice(self.batch_size, batch.num_rows() - self.batch_size));
        Some(batch.slice(0, self.batch_size))
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(range) = self.queue.take() else { return Ok(false) };
        let file = &self.source.files[range.file];
        let buffer = std::mem::take(&mut self.buffer);
        let chunks = file.open(&self.source.lake, range, buffer, Some(Arc::clone(&self.source.meter)))?;
        let types = &self.source.types;
        let wanted = |&ordinal: &usize| Wanted { ordinal, unescape: matches!(types[ordinal], FieldType::Text { .. }) };
        let wanted = self.fields.iter().map(wanted).collect();
        let splitter = Splitter::new(file.format.serde.clone(), wanted, types.len());
        let conversion = conversion(&file.format);
        self.reading = Some(Reading { file: range.file, chunks, splitter, conversion });
        Ok(true)
    }

    fn read_block(&mut self, reading: &mut Reading) -> Result<Option<RecordBatch>, DataFusionError> {
        let file = &self.source.files[reading.file];
        let Some(block) = reading.chunks.advance().map_err(|error| file.unreadable(&error))? else {
            return Ok(None);
        };
        let place = Place { source: &self.source, file, offset: block.offset };
        let text = place.utf8(block.text)?;
        reading.splitter.split(block.text, &mut self.rows);
        let unescaped = place.utf8(&self.rows.unescaped)?;
        let text = Text { block: text, unescaped };
        self.source.meter.add_rows(self.rows.count as u64);
        let mut columns = Vec::with_capacity(self.outputs.len());
        for output in self.outputs.iter() {
            columns.push(match *output {
                Output::Constant(constant) => self.constants.column(file.partition, constant, self.rows.count)?,
                Output::Field(field) => {
                    let slot = self.fields.partition_point(|&wanted| wanted < field);
                    values::column(self.source.types[field], reading.conversion, &self.rows.fields[slot], text)
                        .map_err(|bad| place.bad_value(field, &bad))?
                }
            });
        }
        record_batch(&self.schema, columns, self.rows.count).map(Some)
    }
}

fn conversion(format: &TextFormat) -> Conversion {
    match format.serde {
        Serde::OpenCsv { .. } => Conversion::Open { null_for_invalid: format.null_for_invalid },
        Serde::Delimited { .. } => Conversion::Lazy,
    }
}

/// The constant columns of the current partition, as long as its largest block so far.
struct ConstantColumns {
    constants: Arc<Constants>,
    partition: usize,
    columns: Vec<Option<ArrayRef>>,
}

impl ConstantColumns {
    fn column(&mut self, partition: usize, constant: usize, rows: usize) -> Result<ArrayRef, DataFusionError> {
        let values = &self.constants.rows[partition];
        if self.partition != partition {
            self.partition = partition;
            self.columns = vec![None; values.len()];
        }
        let column = match self.columns[constant].take() {
            Some(column) if column.len() >= rows => column,
            _ => values[constant].to_array_of_size(rows)?,
        };
        let part = column.slice(0, rows);
        self.columns[constant] = Some(column);
        Ok(part)
    }
}

/// Where a block stands, for errors.
struct Place<'a> {
    source: &'a Source,
    file: &'a TextFile,
    offset: u64,
}

impl Place<'_> {
    /// Athena replaces what is not UTF-8; here it is an error, since what is replaced cannot be counted or joined.
    fn utf8<'a>(&self, bytes: &'a [u8]) -> Result<&'a str> {
        simdutf8::basic::from_utf8(bytes).or_else(|_| {
            std::str::from_utf8(bytes).map_err(|error| {
                let offset = self.offset + error.valid_up_to() as u64;
                self.bad_data("the text is not UTF-8", offset)
            })
        })
    }

    fn bad_value(&self, field: usize, bad: &BadValue) -> Error {
        let message = format!("Error parsing field value '{0}' for field {field}: For input string: \"{0}\"", bad.text);
        match self.line_number(self.offset) {
            Ok(line) => self.error(&message, line + bad.row as u64),
            Err(error) => error,
        }
    }

    fn bad_data(&self, message: &str, offset: u64) -> Error {
        self.line_number(offset).map_or_else(|error| error, |line| self.error(message, line))
    }

    fn error(&self, message: &str, line: u64) -> Error {
        Error::user("HIVE_BAD_DATA", 1001, format!("{message} ({}, line {line})", self.file.uri))
    }

    fn line_number(&self, offset: u64) -> Result<u64> {
        let path = self.source.lake.path(&self.file.uri)?;
        chunks::line_number(&path, self.file.compression, offset).map_err(|error| self.file.unreadable(&error))
    }
}
