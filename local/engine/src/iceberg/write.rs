//! The rows of a plan become data files.
//!
//! Each partition of the plan runs in a task of its own: it brings its rows to the table's schema, splits them by the
//! table's partition transforms and hands them to the *lanes* of each partition. A lane is a task that encodes Parquet.
//! A partition has one lane, and so one file, until it has got so many bytes that a second core pays.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::iceberg::arrow::schema_to_arrow_schema;
use ::iceberg::io::FileIO;
use ::iceberg::spec::{DataFile, DataFileFormat, PartitionKey, Struct, TableMetadata};
use ::iceberg::writer::base_writer::data_file_writer::DataFileWriterBuilder;
use ::iceberg::writer::file_writer::ParquetWriterBuilder;
use ::iceberg::writer::file_writer::location_generator::DefaultFileNameGenerator;
use ::iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use ::iceberg::writer::{IcebergWriter, IcebergWriterBuilder};
use arrow::array::{Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use parquet::file::properties::WriterProperties;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::route::{Locations, Router};
use super::{bounds, properties};
use crate::lake::Lake;
use crate::{Error, Result};

/// Athena's limit for one statement.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html>
pub(super) const MOST_PARTITIONS: usize = 100;

/// Bytes of rows that a partition gets before it gets one more lane.
const LANE_BYTES: usize = 64 << 20;

/// A file's size is looked at between so many rows.
const STEP_ROWS: usize = 8192;

/// Batches that may wait in front of a lane.
const LANE_QUEUE: usize = 4;

/// Data files that no snapshot refers to yet. Unless [`DataFiles::keep`] is called, they are removed: by whoever is the
/// last to know their addresses, since a writer on another thread may outlive the statement by one more file.
#[derive(Debug)]
pub(super) struct DataFiles {
    locations: Locations,
    /// What was written.
    pub(super) files: Vec<DataFile>,
}

impl DataFiles {
    /// Rows in all files.
    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::record_count).sum()
    }

    /// A snapshot refers to them now: they stay. Returns their addresses.
    pub(super) fn keep(self) -> Vec<String> {
        self.locations.keep();
        self.files.iter().map(|file| file.file_path().to_owned()).collect()
    }
}

/// Runs `plan` and writes its rows as data files of the table that `metadata` describes. Columns are matched by
/// position.
///
/// # Errors
/// The plan's own; `ICEBERG_TOO_MANY_OPEN_PARTITIONS`; a value that does not fit its column. No file is left then.
pub(super) async fn write(
    lake: &Lake,
    files: &FileIO,
    metadata: &TableMetadata,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<DataFiles> {
    let writing = Writing::begin(lake, files, metadata, context)?;
    let outcome = writing.rows(plan).await;
    writing.finish(outcome).await
}

/// Data files under way: the rows of one plan after the other go into the same files.
pub(super) struct Writing {
    locations: Locations,
    sink: Arc<Sink>,
    context: Arc<TaskContext>,
}

impl Writing {
    pub(super) fn begin(
        lake: &Lake,
        files: &FileIO,
        metadata: &TableMetadata,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let lanes = context.session_config().target_partitions();
        Self::with_lanes(lake, files, metadata, context, lanes)
    }

    /// Begins with at most so many files of a partition at once.
    pub(super) fn with_lanes(
        lake: &Lake,
        files: &FileIO,
        metadata: &TableMetadata,
        context: Arc<TaskContext>,
        lanes: usize,
    ) -> Result<Self> {
        let locations = Locations::new(lake, metadata);
        let sink = Arc::new(Sink::new(files, metadata, locations.clone(), lanes)?);
        Ok(Self { locations, sink, context })
    }

    /// Takes the rows of `plan`.
    pub(super) async fn rows(&self, plan: Arc<dyn ExecutionPlan>) -> Result<()> {
        let mut inputs = JoinSet::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let rows = plan.execute(partition, Arc::clone(&self.context))?;
            let sink = Arc::clone(&self.sink);
            inputs.spawn(async move { sink.drain(rows).await });
        }
        let mut outcome = Ok(());
        while let Some(input) = inputs.join_next().await {
            outcome = outcome.and(joined(input));
            if outcome.is_err() {
                inputs.abort_all();
            }
        }
        outcome
    }

    /// Completes the files, unless the rows ended in an error.
    pub(super) async fn finish(self, outcome: Result<()>) -> Result<DataFiles> {
        let mut written = DataFiles { locations: self.locations, files: Vec::new() };
        // A lane that failed is the cause of what its inputs say: its word goes first.
        let mut lanes = self.sink.close();
        let mut encoded = Ok(());
        while let Some(lane) = lanes.join_next().await {
            match joined(lane) {
                Ok(files) => written.files.extend(files),
                Err(error) => {
                    encoded = encoded.and(Err(error));
                    lanes.abort_all();
                }
            }
        }
        encoded.and(outcome)?;
        written.files.sort_by(|a, b| a.file_path().cmp(b.file_path()));
        Ok(written)
    }
}

fn joined<T>(task: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    match task {
        Ok(result) => result,
        Err(stopped) if stopped.is_cancelled() => Err(Error::Cancelled),
        Err(panicked) => Err(DataFusionError::ExecutionJoin(Box::new(panicked)).into()),
    }
}

type WriterBuilder = DataFileWriterBuilder<ParquetWriterBuilder, Locations, DefaultFileNameGenerator>;

struct Sink {
    schema: SchemaRef,
    table_schema: ::iceberg::spec::SchemaRef,
    partition_spec_id: i32,
    router: Router,
    writers: Arc<WriterBuilder>,
    most_lanes: usize,
    open: Mutex<Open>,
}

/// The partitions that have got rows.
#[derive(Default)]
struct Open {
    partitions: HashMap<Struct, Partition>,
    lanes: JoinSet<Result<Vec<DataFile>>>,
}

#[derive(Default)]
struct Partition {
    lanes: Vec<mpsc::Sender<RecordBatch>>,
    bytes: usize,
    batches: usize,
}

impl Sink {
    fn new(files: &FileIO, metadata: &TableMetadata, locations: Locations, most_lanes: usize) -> Result<Self> {
        let table_schema = metadata.current_schema().clone();
        let options = WriterProperties::builder()
            .set_compression(properties::codec(metadata.properties())?)
            // Whole bounds: a truncated one is left out by the library, and a file's bounds with it. See `bounds`.
            .set_statistics_truncate_length(None)
            .build();
        let rolling = RollingFileWriterBuilder::new(
            ParquetWriterBuilder::new(options, table_schema.clone()),
            properties::target_file_size(metadata.properties()),
            files.clone(),
            locations,
            DefaultFileNameGenerator::new(uuid::Uuid::now_v7().to_string(), None, DataFileFormat::Parquet),
        );
        Ok(Self {
            schema: Arc::new(schema_to_arrow_schema(&table_schema)?),
            router: Router::new(metadata)?,
            partition_spec_id: metadata.default_partition_spec_id(),
            writers: Arc::new(DataFileWriterBuilder::new(rolling)),
            most_lanes: most_lanes.max(1),
            open: Mutex::default(),
            table_schema,
        })
    }

    async fn drain(&self, mut rows: datafusion::execution::SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = rows.next().await {
            let batch = fit(&batch.map_err(crate::trino::error)?, &self.schema)?;
            for (partition, batch) in self.router.split(batch)? {
                let lane = self.lane(partition, &batch)?;
                if lane.send(batch).await.is_err() {
                    // The lane's own error is told when it is joined.
                    return Err(Error::Cancelled);
                }
            }
        }
        Ok(())
    }

    /// The lane that takes the next batch of a partition.
    fn lane(&self, values: Struct, batch: &RecordBatch) -> Result<mpsc::Sender<RecordBatch>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { partitions, lanes } = &mut *open;
        if partitions.len() == MOST_PARTITIONS && !partitions.contains_key(&values) {
            let message = format!("Exceeded limit of {MOST_PARTITIONS} open writers for partitions");
            return Err(super::refused("ICEBERG_TOO_MANY_OPEN_PARTITIONS", message));
        }
        let key = self.router.key(values.clone());
        let partition = partitions.entry(values).or_default();
        partition.bytes += batch.columns().iter().map(|column| size(column.as_ref())).sum::<usize>();
        partition.batches += 1;
        if partition.lanes.len() < self.most_lanes.min(1 + partition.bytes / LANE_BYTES) {
            let (sender, receiver) = mpsc::channel(LANE_QUEUE);
            let tidy = (self.table_schema.clone(), self.partition_spec_id);
            lanes.spawn(encode(Arc::clone(&self.writers), key, receiver, tidy));
            partition.lanes.push(sender);
        }
        Ok(partition.lanes[partition.batches % partition.lanes.len()].clone())
    }

    /// Lets the lanes finish.
    fn close(&self) -> JoinSet<Result<Vec<DataFile>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.partitions.clear();
        std::mem::take(&mut open.lanes)
    }
}

async fn encode(
    writers: Arc<WriterBuilder>,
    key: PartitionKey,
    mut batches: mpsc::Receiver<RecordBatch>,
    (schema, partition_spec_id): (::iceberg::spec::SchemaRef, i32),
) -> Result<Vec<DataFile>> {
    let mut writer = writers.build(Some(key)).await?;
    while let Some(batch) = batches.recv().await {
        for start in (0..batch.num_rows()).step_by(STEP_ROWS) {
            writer.write(batch.slice(start, STEP_ROWS.min(batch.num_rows() - start))).await?;
        }
    }
    let files = writer.close().await?;
    files.iter().map(|file| bounds::tidy(file, &schema, partition_spec_id)).collect()
}

fn size(column: &dyn Array) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
}

/// Brings a batch to the table's schema: types are cast, a value that does not fit is an error. What the plan says of
/// nullability does not matter, what the rows hold does.
fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let message =
            format!("Insert query has {} columns, the table has {}", batch.num_columns(), schema.fields().len());
        return Err(super::refused("MISMATCHED_COLUMN_COUNT", message));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let cast = cast_with_options(column, field.data_type(), &options)
            .map_err(|error| super::refused("INVALID_CAST_ARGUMENT", format!("column {}: {error}", field.name())))?;
        if !field.is_nullable() && cast.null_count() > 0 {
            let message = format!("NULL value not allowed for NOT NULL column: {}", field.name());
            return Err(super::refused("CONSTRAINT_VIOLATION", message));
        }
        columns.push(cast);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns).map_err(DataFusionError::from)?)
}
