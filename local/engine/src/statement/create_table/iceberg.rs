//! What an empty Iceberg table may be.

use super::{CreateTable, PartitionField};
use crate::Result;
use crate::iceberg::NewTable;
use crate::statement::semantic;

impl CreateTable {
    /// Checks the clauses that only Hive tables have.
    pub(crate) fn into_iceberg(self) -> Result<NewTable> {
        if self.row_format.is_some() || self.stored_as.is_some() {
            return Err(semantic("ROW FORMAT and STORED AS are not supported for table type ICEBERG"));
        }
        let field = |field: PartitionField| match field {
            PartitionField::Transform(text) => Ok(text),
            PartitionField::Key(column) => Err(semantic(format!(
                "the partition column {} of an Iceberg table is declared among the columns, without a type here",
                column.name
            ))),
        };
        let partitioning = self.partitioning.into_iter().map(field).collect::<Result<_>>()?;
        Ok(NewTable {
            database: self.database,
            name: self.name,
            columns: self.columns,
            partitioning,
            location: self.location,
            properties: self.properties,
        })
    }
}
