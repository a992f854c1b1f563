//! `ALTER TABLE`: partitions, properties, columns, name.
//! Sources: <https://docs.aws.amazon.com/athena/latest/ug/alter-table-add-partition.html> and its neighbours;
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-managing-tables.html>

pub(super) mod partitions;

use super::create_table::{columns, properties};
use super::name::TableName;
use super::tokens::Tokens;
use super::{Answer, CatalogStatement, Session, Statement, ddl_failed, semantic};
use crate::catalog::{CatalogError, Column, Parameters, Table};
use crate::iceberg::is_iceberg;
use crate::{Error, Result};

/// `ALTER TABLE name …`
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.expect("ALTER TABLE")?;
    let name = TableName::parse(tokens, database)?;
    if tokens.follows("ADD PARTITION") || tokens.follows("ADD IF NOT EXISTS PARTITION") {
        return partitions::add(tokens, name);
    }
    if tokens.follows("DROP PARTITION") || tokens.follows("DROP IF EXISTS PARTITION") {
        return partitions::drop(tokens, name);
    }
    if tokens.accept("SET TBLPROPERTIES") {
        let properties = properties(tokens)?;
        return Ok(Statement::catalog("ALTER_TABLE_SET_PROPERTIES", SetProperties { name, properties }));
    }
    if tokens.accept("ADD COLUMNS") {
        let columns = columns(tokens)?;
        return Ok(Statement::catalog("ALTER_TABLE_ADD_COLUMNS", AddColumns { name, columns }));
    }
    if tokens.accept("RENAME TO") {
        let new = TableName::parse(tokens, &name.database)?;
        return Ok(Statement::catalog("ALTER_TABLE_RENAME", Rename { name, new }));
    }
    for known in [
        "SET LOCATION",
        "PARTITION",
        "REPLACE COLUMNS",
        "CHANGE",
        "DROP COLUMN",
        "RENAME PARTITION",
        "UNSET TBLPROPERTIES",
    ] {
        if tokens.follows(known) {
            return Err(Error::unsupported(format!("ALTER TABLE {known} statements")));
        }
    }
    Err(tokens.unexpected("'ADD', 'DROP', 'RENAME', 'SET'"))
}

fn refuse_iceberg(table: &Table, what: &str) -> Result<()> {
    if is_iceberg(table) { Err(Error::unsupported(format!("{what} on Iceberg tables"))) } else { Ok(()) }
}

/// Changes an entry as it was read, if nobody else has meanwhile.
fn update(session: &Session, table: Table) -> Result<Answer> {
    let (database, version) = (table.database_name.clone(), table.version_id.clone());
    session.catalog.update_table(&database, table, version.as_deref())?;
    Ok(Answer::default())
}

#[derive(Debug)]
struct SetProperties {
    name: TableName,
    properties: Parameters,
}

impl CatalogStatement for SetProperties {
    fn run(&self, session: &Session) -> Result<Answer> {
        let mut table = session.table(&self.name)?;
        refuse_iceberg(&table, "ALTER TABLE SET TBLPROPERTIES")?;
        table.parameters.extend(self.properties.clone());
        update(session, table)
    }
}

#[derive(Debug)]
struct AddColumns {
    name: TableName,
    columns: Vec<Column>,
}

impl CatalogStatement for AddColumns {
    fn run(&self, session: &Session) -> Result<Answer> {
        let mut table = session.table(&self.name)?;
        refuse_iceberg(&table, "ALTER TABLE ADD COLUMNS")?;
        for column in &self.columns {
            let taken = table.storage_descriptor.columns.iter().chain(&table.partition_keys);
            if taken.into_iter().any(|known| known.name.eq_ignore_ascii_case(&column.name)) {
                return Err(semantic(format!("[Error 10036]: Duplicate column name: {}", column.name)));
            }
            table.storage_descriptor.columns.push(column.clone());
        }
        update(session, table)
    }
}

#[derive(Debug)]
struct Rename {
    name: TableName,
    new: TableName,
}

impl CatalogStatement for Rename {
    fn run(&self, session: &Session) -> Result<Answer> {
        let table = session.table(&self.name)?;
        if !is_iceberg(&table) {
            return Err(semantic("ALTER TABLE RENAME TO is supported for Iceberg tables only"));
        }
        let (old, new) = ((&*self.name.database, &*self.name.name), (&*self.new.database, &*self.new.name));
        match session.catalog.rename_table(old, new, table.version_id.as_deref()) {
            Err(CatalogError::AlreadyExists { .. }) => Err(ddl_failed(format!("Table {} already exists", self.new))),
            other => Ok(other.map(|_| Answer::default())?),
        }
    }
}
