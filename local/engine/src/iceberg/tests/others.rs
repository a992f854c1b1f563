//! What other writers do to a table: delete files, renamed and added columns, and another engine's commit in between.

use std::collections::HashSet;

use ::iceberg::MetadataLocation;
use ::iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, MAIN_BRANCH, ManifestListWriter, ManifestWriterBuilder,
    NestedField, Operation, PrimitiveType, Schema, Snapshot, Struct, Summary, Type,
};
use ::iceberg::table::Table;
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};

use super::super::commit::{Change, commit};
use super::super::storage::file_io;
use super::super::table::{Loaded, manifests};
use super::*;

impl Cloud {
    async fn loaded(&self, table: &str) -> Loaded {
        Loaded::load(&self.catalog, &self.lake, "db", table).await.unwrap()
    }

    /// Points the entry at `metadata`, as any client's commit does.
    async fn point_at(&self, loaded: Loaded, metadata: ::iceberg::spec::TableMetadata) {
        let location: MetadataLocation = loaded.table.metadata_location().unwrap().parse().unwrap();
        let location = location.with_next_version();
        metadata.write_to(&file_io(&self.lake, None), &location).await.unwrap();
        let mut entry = loaded.entry;
        let version = entry.version_id.take();
        entry.parameters.insert("metadata_location".into(), location.to_string());
        self.catalog.update_table("db", entry, version.as_deref()).unwrap();
    }

    /// Deletes rows of a data file by their positions, as Trino and Athena do.
    pub(super) async fn delete_positions(&self, table: &str, file: &str, positions: &[i64]) {
        let loaded = self.loaded(table).await;
        let deletes = self.delete_file(&loaded.table, file, positions);
        self.commit_deletes(loaded, deletes).await;
    }

    /// Deletes the rows that have one of `values` in the column `n`, whose id is 1, as Flink does.
    pub(super) async fn delete_equal(&self, table: &str, values: &[i64]) {
        let loaded = self.loaded(table).await;
        let id = [(PARQUET_FIELD_ID_META_KEY.to_owned(), "1".to_owned())].into();
        let field = Field::new("n", DataType::Int64, true).with_metadata(id);
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![field]));
        let mut deletes = self.write_deletes(&loaded.table, schema, vec![values]);
        let deletes = deletes.content(DataContentType::EqualityDeletes).equality_ids(Some(vec![1])).build().unwrap();
        self.commit_deletes(loaded, deletes).await;
    }

    async fn commit_deletes(&self, loaded: Loaded, deletes: DataFile) {
        let (metadata, files) = (loaded.table.metadata(), file_io(&self.lake, None));
        let (id, sequence) = (4711, metadata.next_sequence_number());
        let output = files.new_output(format!("{}/metadata/deletes-m0.avro", metadata.location())).unwrap();
        let spec = metadata.default_partition_spec().as_ref().clone();
        let mut manifest =
            ManifestWriterBuilder::new(output, Some(id), metadata.current_schema().clone(), spec).build_v2_deletes();
        manifest.add_file(deletes, sequence).unwrap();
        let mut all = manifests(&loaded.table, metadata.current_snapshot().unwrap()).await.unwrap();
        all.push(manifest.write_manifest_file().await.unwrap());
        let list = format!("{}/metadata/snap-deletes.avro", metadata.location());
        let writer = files.new_output(&list).unwrap().writer().await.unwrap();
        let mut writer = ManifestListWriter::v2(writer, id, metadata.current_snapshot_id(), sequence);
        writer.add_manifests(all.into_iter()).unwrap();
        writer.close().await.unwrap();
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(metadata.current_snapshot_id())
            .with_sequence_number(sequence)
            .with_timestamp_ms(metadata.last_updated_ms() + 1)
            .with_manifest_list(list)
            .with_summary(Summary { operation: Operation::Delete, additional_properties: [].into() })
            .with_schema_id(metadata.current_schema_id())
            .build();
        let location = loaded.table.metadata_location().map(str::to_owned);
        let builder = metadata.clone().into_builder(location).set_branch_snapshot(snapshot, MAIN_BRANCH).unwrap();
        self.point_at(loaded, builder.build().unwrap().metadata).await;
    }

    fn delete_file(&self, table: &Table, file: &str, positions: &[i64]) -> DataFile {
        let field = |name: &str, type_: DataType, id: i32| {
            let id = [(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())].into();
            Field::new(name, type_, false).with_metadata(id)
        };
        // Ids: https://iceberg.apache.org/spec/#reserved-field-ids
        let fields =
            vec![field("file_path", DataType::Utf8, 2_147_483_546), field("pos", DataType::Int64, 2_147_483_545)];
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let paths: ArrayRef = Arc::new(StringArray::from(vec![file; positions.len()]));
        let positions: ArrayRef = Arc::new(Int64Array::from(positions.to_vec()));
        let mut deletes = self.write_deletes(table, schema, vec![paths, positions]);
        deletes.content(DataContentType::PositionDeletes).build().unwrap()
    }

    fn write_deletes(&self, table: &Table, schema: SchemaRef, columns: Vec<ArrayRef>) -> DataFileBuilder {
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let path = format!("{}/data/deletes.parquet", table.metadata().location());
        self.lake.put(&uri(&path), &bytes).unwrap();
        let mut file = DataFileBuilder::default();
        file.file_path(path)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(batch.num_rows() as u64)
            .file_size_in_bytes(bytes.len() as u64);
        file
    }

    /// Replaces the schema, keeping the ids that it names.
    pub(super) async fn evolve(&self, table: &str, fields: Vec<NestedField>) {
        let loaded = self.loaded(table).await;
        let schema = Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().unwrap();
        let location = loaded.table.metadata_location().map(str::to_owned);
        let builder = loaded.table.metadata().clone().into_builder(location).add_current_schema(schema).unwrap();
        let metadata = builder.build().unwrap().metadata;
        self.point_at(loaded, metadata).await;
    }
}

pub(super) fn optional(id: i32, name: &str, type_: PrimitiveType) -> NestedField {
    NestedField::optional(id, name, Type::Primitive(type_))
}

#[tokio::test]
async fn rows_that_others_deleted_are_gone_and_are_not_counted() {
    let cloud = Cloud::new();
    let written = cloud
        .create_as(&table("t", &["n bigint"], &[]), "SELECT unnest(range(0, 1000)) AS n ORDER BY n")
        .await
        .unwrap();
    cloud.delete_positions("t", &written.files[0], &[0, 7, 999]).await;
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 997);
    assert_eq!(cloud.number("t", "SELECT max(n) FROM t").await, 998);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n = 7").await, 0);
    cloud.append("t", "SELECT 7").await.unwrap();
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n = 7").await, 1);
    drop_table(&cloud.catalog, &cloud.lake, "db", "t").await.unwrap();
    assert_eq!(cloud.keys(""), Vec::<String>::new());
}

#[tokio::test]
async fn a_renamed_an_added_and_a_widened_column_are_read_by_their_ids() {
    let cloud = Cloud::new();
    cloud.create_as(&table("t", &["a int", "b string"], &[]), "SELECT 1 AS a, 'x' AS b").await.unwrap();
    // The names change places: only the ids tell which is which.
    let fields = vec![
        optional(2, "a", PrimitiveType::String),
        optional(3, "c", PrimitiveType::String),
        optional(1, "b", PrimitiveType::Long),
    ];
    cloud.evolve("t", fields).await;
    assert_eq!(cloud.number("t", "SELECT b FROM t WHERE a = 'x' AND c IS NULL").await, 1);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE c = 'new'").await, 0);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE b = 1").await, 1);
    cloud.append("t", "SELECT 'y', 'new', 9000000000").await.unwrap();
    assert_eq!(cloud.number("t", "SELECT b FROM t WHERE c = 'new'").await, 9_000_000_000);
    assert_eq!(cloud.number("t", "SELECT sum(b) FROM t").await, 9_000_000_001);
    assert_eq!(cloud.number("t", "SELECT max(b) FROM t").await, 9_000_000_000);
}

#[tokio::test]
async fn a_required_column_refuses_null() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["a int"], &[])).await.unwrap();
    cloud.evolve("t", vec![NestedField::required(2, "r", Type::Primitive(PrimitiveType::Int))]).await;
    cloud.append("t", "SELECT 1").await.unwrap();
    let error = cloud.append("t", "SELECT NULL").await.unwrap_err().to_string();
    assert_eq!(error, "CONSTRAINT_VIOLATION: NULL value not allowed for NOT NULL column: r");
}

#[tokio::test]
async fn files_are_replaced_in_one_snapshot() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["n bigint"], &[])).await.unwrap();
    let old = cloud.append("t", "SELECT 1").await.unwrap().files;
    cloud.append("t", "SELECT 10").await.unwrap();
    let base = cloud.loaded("t").await;
    let removed = old.iter().cloned().collect();
    let change =
        Change { operation: Operation::Overwrite, added: Vec::new(), removed, bound: true, drop_deletes: false };
    commit(&cloud.catalog, &cloud.lake, base.clone(), &change).await.unwrap();
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 10);
    let summary = "SELECT summary['deleted-records'] AS gone, summary['total-records'] AS total FROM meta \
                   WHERE operation = 'overwrite'";
    let shown = cloud.inspect("t", "snapshots", summary).await;
    assert_eq!(shown.lines().nth(3).unwrap().replace(' ', ""), "|1|1|", "{shown}");
    // Made for the state before: a conflict, and nothing is left of the attempt.
    let before = cloud.keys("t/");
    let lost = commit(&cloud.catalog, &cloud.lake, base, &change).await.unwrap_err().to_string();
    assert_eq!(lost, "ICEBERG_COMMIT_ERROR: Failed to commit Iceberg update to table: db.t");
    let missing = Change { removed: HashSet::from(["s3://lake/t/data/none.parquet".to_owned()]), ..change };
    let lost = commit(&cloud.catalog, &cloud.lake, cloud.loaded("t").await, &missing).await.unwrap_err();
    assert!(lost.to_string().contains("none.parquet"), "{lost}");
    assert_eq!(cloud.keys("t/"), before);
}

#[tokio::test]
async fn an_append_that_was_made_for_another_table_is_a_conflict() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["n bigint"], &[])).await.unwrap();
    let base = cloud.loaded("t").await;
    let other = table("other", &["n bigint"], &[]);
    cloud.create(&other).await.unwrap();
    // The swap, while an append is under way.
    let mut entry = cloud.catalog.get_table("db", "t").unwrap();
    entry.parameters.insert("metadata_location".into(), cloud.metadata_location("other"));
    cloud.catalog.update_table("db", entry, None).unwrap();
    let lost = commit(&cloud.catalog, &cloud.lake, base, &Change::append(Vec::new())).await.unwrap_err();
    assert!(lost.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{lost}");
}
