//! Views, stored as Athena stores them: Presto's JSON, in base64, in the entry's original text.
//! Source: <https://github.com/trinodb/trino/blob/master/plugin/trino-hive/src/main/java/io/trino/plugin/hive/ViewReaderUtil.java>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::name::{DATA_CATALOG, TableName};
use super::query::Select;
use super::tokens::{Language, Tokens};
use super::{Action, Answer, CatalogStatement, Session, Statement};
use crate::catalog::{CatalogError, Column, Parameters, StorageDescriptor, Table};
use crate::error::NOT_FOUND;
use crate::{Error, Result};

const PREFIX: &str = "/* Presto View: ";
const SUFFIX: &str = " */";

/// `CREATE [OR REPLACE] VIEW name AS query`
#[derive(Debug)]
pub(crate) struct CreateView {
    pub(crate) name: TableName,
    pub(crate) replace: bool,
    pub(crate) database: String,
    pub(crate) text: String,
    pub(crate) query: Select,
}

/// What a view's entry holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) original_sql: String,
    pub(crate) catalog: String,
    pub(crate) schema: String,
    pub(crate) columns: Vec<ViewColumn>,
}

/// A column of a view, with Trino's type name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ViewColumn {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) type_: String,
}

pub(super) fn create(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = Tokens::new(sql, Language::Trino)?;
    tokens.expect("CREATE")?;
    let replace = tokens.accept("OR REPLACE");
    tokens.expect("VIEW")?;
    let name = TableName::parse(&mut tokens, database)?;
    tokens.expect("AS")?;
    let query = Select { query: super::query::rest(&tokens)? };
    let (database, text) = (database.to_lowercase(), tokens.rest().trim().to_owned());
    Ok(Statement::ddl("CREATE_VIEW", Action::CreateView(CreateView { name, replace, database, text, query })))
}

impl CreateView {
    /// Enters the view; `columns` are what its query answers. It blocks.
    pub(crate) fn enter(&self, session: &Session, columns: Vec<ViewColumn>, hive_columns: Vec<Column>) -> Result<()> {
        let view = View {
            original_sql: self.text.clone(),
            catalog: DATA_CATALOG.to_owned(),
            schema: self.database.clone(),
            columns,
        };
        let json = serde_json::to_vec(&view).map_err(CatalogError::from)?;
        let table = Table {
            name: self.name.name.clone(),
            table_type: Some("VIRTUAL_VIEW".to_owned()),
            view_original_text: Some(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(json))),
            view_expanded_text: Some("/* Presto View */".to_owned()),
            storage_descriptor: StorageDescriptor { columns: hive_columns, ..StorageDescriptor::default() },
            parameters: Parameters::from([
                ("presto_view".to_owned(), "true".to_owned()),
                ("comment".to_owned(), "Presto View".to_owned()),
            ]),
            ..Table::default()
        };
        match session.catalog.get_table(&self.name.database, &self.name.name) {
            Ok(old) if self.replace && is_view(&old) => {
                session.catalog.update_table(&self.name.database, table, old.version_id.as_deref())?;
            }
            Ok(old) => {
                let kind = if is_view(&old) { "View" } else { "Table" };
                let message = format!("{kind} already exists: '{DATA_CATALOG}.{}'", self.name);
                return Err(Error::user("ALREADY_EXISTS", crate::error::SEMANTIC, message));
            }
            Err(CatalogError::NotFound { .. }) => {
                session.catalog.create_table(&self.name.database, table)?;
            }
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }
}

/// Whether an entry is a view's.
pub(crate) fn is_view(table: &Table) -> bool {
    table.table_type.as_deref() == Some("VIRTUAL_VIEW")
}

/// The view in an entry; `None` if it is a table's.
///
/// # Errors
/// A view that another engine has made in another form.
pub(crate) fn of(table: &Table) -> Result<Option<View>> {
    if !is_view(table) {
        return Ok(None);
    }
    let text = table.view_original_text.as_deref().unwrap_or_default();
    let encoded = text.strip_prefix(PREFIX).and_then(|text| text.strip_suffix(SUFFIX));
    let json = encoded.and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
    let view = json.and_then(|json| serde_json::from_slice(&json).ok());
    let message = || format!("Invalid view: {}.{} is not a Presto view", table.database_name, table.name);
    view.map(Some).ok_or_else(|| Error::user("INVALID_VIEW", crate::error::SEMANTIC, message()))
}

#[derive(Debug)]
struct DropView {
    name: TableName,
    if_exists: bool,
}

/// `DROP VIEW [IF EXISTS] name`
pub(super) fn drop(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = Tokens::new(sql, Language::Trino)?;
    tokens.expect("DROP VIEW")?;
    let if_exists = tokens.accept("IF EXISTS");
    let name = TableName::parse(&mut tokens, database)?;
    tokens.end()?;
    Ok(Statement::catalog("DROP_VIEW", DropView { name, if_exists }))
}

impl CatalogStatement for DropView {
    fn run(&self, session: &Session) -> Result<Answer> {
        match session.catalog.get_table(&self.name.database, &self.name.name) {
            Ok(table) if is_view(&table) => {
                session.catalog.delete_table(&self.name.database, &self.name.name)?;
                Ok(Answer::default())
            }
            Err(CatalogError::NotFound { .. }) if self.if_exists => Ok(Answer::default()),
            Ok(_) | Err(CatalogError::NotFound { .. }) => {
                let message = format!("View '{DATA_CATALOG}.{}' does not exist", self.name);
                Err(Error::user("TABLE_NOT_FOUND", NOT_FOUND, message))
            }
            Err(other) => Err(other.into()),
        }
    }
}
