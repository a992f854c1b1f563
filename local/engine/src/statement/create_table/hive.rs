//! The catalog's entry of a Hive table over CSV files.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{CreateTable, PartitionField, RowFormat, StoredAs};
use crate::catalog::{CatalogError, Column, Parameters, SerDeInfo, StorageDescriptor, Table};
use crate::lake::S3Uri;
use crate::statement::{Answer, CatalogStatement, Session, ddl_failed, semantic};
use crate::{Error, Result};

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const LAZY_SIMPLE_SERDE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
const OPEN_CSV_SERDE: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";

/// `CREATE EXTERNAL TABLE`, ready to be entered.
#[derive(Debug)]
pub(crate) struct CreateHiveTable {
    pub(crate) table: Table,
    pub(crate) if_not_exists: bool,
}

impl CreateTable {
    /// Checks what a Hive table may be and makes its entry.
    pub(super) fn into_hive(self) -> Result<CreateHiveTable> {
        let partition_keys = self.partition_keys()?;
        self.refuse_repeated_columns(&partition_keys)?;
        let (input_format, output_format) = self.formats()?;
        let (library, serde_parameters) = match self.row_format {
            None => (LAZY_SIMPLE_SERDE.to_owned(), Parameters::from([("serialization.format".into(), "1".into())])),
            Some(RowFormat::Delimited(delimited)) => (LAZY_SIMPLE_SERDE.to_owned(), delimited),
            Some(RowFormat::SerDe { library, properties }) => (library, properties),
        };
        if ![LAZY_SIMPLE_SERDE, OPEN_CSV_SERDE].contains(&library.as_str()) {
            return Err(Error::unsupported(format!("the SerDe {library}: only OpenCSVSerde and LazySimpleSerDe")));
        }
        let mut parameters = self.properties;
        parameters.insert("EXTERNAL".into(), "TRUE".into());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        parameters.insert("transient_lastDdlTime".into(), seconds.to_string());
        if let Some(comment) = &self.comment {
            parameters.insert("comment".into(), comment.clone());
        }
        let serde_info = SerDeInfo { name: None, serialization_library: Some(library), parameters: serde_parameters };
        let table = Table {
            name: self.name,
            database_name: self.database,
            owner: Some("hadoop".into()),
            table_type: Some("EXTERNAL_TABLE".into()),
            storage_descriptor: StorageDescriptor {
                columns: self.columns,
                location: Some(self.location),
                input_format: Some(input_format),
                output_format: Some(output_format),
                number_of_buckets: -1,
                serde_info: Some(serde_info),
                ..StorageDescriptor::default()
            },
            partition_keys,
            parameters,
            ..Table::default()
        };
        Ok(CreateHiveTable { table, if_not_exists: self.if_not_exists })
    }

    fn partition_keys(&self) -> Result<Vec<Column>> {
        let key = |field: &PartitionField| match field {
            PartitionField::Key(column) => Ok(column.clone()),
            PartitionField::Transform(text) => Err(semantic(format!(
                "the partition key {text} of a Hive table needs a type; transforms are Iceberg's"
            ))),
        };
        self.partitioning.iter().map(key).collect()
    }

    fn refuse_repeated_columns(&self, partition_keys: &[Column]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if !seen.insert(&column.name) {
                return Err(semantic(format!("[Error 10036]: Duplicate column name: {}", column.name)));
            }
        }
        match partition_keys.iter().find(|key| !seen.insert(&key.name)) {
            Some(_) => Err(semantic("[Error 10035]: Column repeated in partitioning columns")),
            None => Ok(()),
        }
    }

    /// The classes that read and write the files: text is what this engine reads.
    fn formats(&self) -> Result<(String, String)> {
        match &self.stored_as {
            None => {}
            Some(StoredAs::Format(format)) if format == "TEXTFILE" => {}
            Some(StoredAs::Classes { input, .. }) if input == TEXT_INPUT => {}
            Some(StoredAs::Format(format)) => {
                return Err(Error::unsupported(format!("Hive tables STORED AS {format}")));
            }
            Some(StoredAs::Classes { input, .. }) => {
                return Err(Error::unsupported(format!("Hive tables with INPUTFORMAT {input}")));
            }
        }
        match &self.stored_as {
            Some(StoredAs::Classes { input, output }) => Ok((input.clone(), output.clone())),
            _ => Ok((TEXT_INPUT.into(), TEXT_OUTPUT.into())),
        }
    }
}

impl CatalogStatement for CreateHiveTable {
    fn run(&self, session: &Session) -> Result<Answer> {
        let location = self.table.storage_descriptor.location.as_deref().unwrap_or_default();
        let location = S3Uri::parse(location).map_err(|error| ddl_failed(format!("MetaException(message:{error})")))?;
        if !session.lake.bucket_exists(&location.bucket) {
            let message = format!("MetaException(message:The specified bucket does not exist: {})", location.bucket);
            return Err(ddl_failed(message));
        }
        session.lake.ask_location(&location.to_string())?;
        match session.catalog.create_table(&self.table.database_name, self.table.clone()) {
            Ok(_) => Ok(Answer::default()),
            Err(CatalogError::AlreadyExists { .. }) if self.if_not_exists => Ok(Answer::default()),
            Err(CatalogError::AlreadyExists { entity }) => {
                Err(ddl_failed(format!("AlreadyExistsException(message:{entity} already exists)")))
            }
            Err(CatalogError::NotFound { .. }) => {
                Err(semantic(format!("[Error 10072]: Database does not exist: {}", self.table.database_name)))
            }
            Err(other) => Err(other.into()),
        }
    }
}
