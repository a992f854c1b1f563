//! `CREATE DATABASE` and `DROP DATABASE`.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/create-database.html>

use super::create_table::properties;
use super::tokens::Tokens;
use super::{Answer, CatalogStatement, Session, Statement, ddl_failed};
use crate::Result;
use crate::catalog::{CatalogError, Database};

#[derive(Debug)]
struct CreateDatabase {
    database: Database,
    if_not_exists: bool,
}

/// `CREATE {DATABASE|SCHEMA} [IF NOT EXISTS] name [COMMENT '…'] [LOCATION '…'] [WITH DBPROPERTIES (…)]`
pub(super) fn create(tokens: &mut Tokens<'_>, _database: &str) -> Result<Statement> {
    tokens.expect("CREATE")?;
    tokens.skip();
    let if_not_exists = tokens.accept("IF NOT EXISTS");
    let mut database = Database { name: tokens.name()?, ..Database::default() };
    if tokens.accept("COMMENT") {
        database.description = Some(tokens.string()?);
    }
    if tokens.accept("LOCATION") {
        database.location_uri = Some(tokens.string()?);
    }
    if tokens.accept("WITH DBPROPERTIES") {
        database.parameters = properties(tokens)?;
    }
    Ok(Statement::catalog("CREATE_DATABASE", CreateDatabase { database, if_not_exists }))
}

impl CatalogStatement for CreateDatabase {
    fn run(&self, session: &Session) -> Result<Answer> {
        match session.catalog.create_database(self.database.clone()) {
            Err(CatalogError::AlreadyExists { .. }) if self.if_not_exists => Ok(Answer::default()),
            Err(CatalogError::AlreadyExists { entity }) => Err(ddl_failed(format!("{entity} already exists"))),
            other => Ok(other.map(|()| Answer::default())?),
        }
    }
}

#[derive(Debug)]
struct DropDatabase {
    name: String,
    if_exists: bool,
    cascade: bool,
}

/// `DROP {DATABASE|SCHEMA} [IF EXISTS] name [RESTRICT|CASCADE]`
pub(super) fn drop(tokens: &mut Tokens<'_>, _database: &str) -> Result<Statement> {
    tokens.expect("DROP")?;
    tokens.skip();
    let if_exists = tokens.accept("IF EXISTS");
    let name = tokens.name()?;
    let cascade = !tokens.accept("RESTRICT") && tokens.accept("CASCADE");
    Ok(Statement::catalog("DROP_DATABASE", DropDatabase { name, if_exists, cascade }))
}

impl CatalogStatement for DropDatabase {
    fn run(&self, session: &Session) -> Result<Answer> {
        let tables = match session.catalog.list_tables(&self.name) {
            Err(CatalogError::NotFound { .. }) if self.if_exists => return Ok(Answer::default()),
            Err(CatalogError::NotFound { .. }) => {
                return Err(ddl_failed(format!("Database does not exist: {}", self.name)));
            }
            other => other?,
        };
        if !tables.is_empty() && !self.cascade {
            let message = format!(
                "InvalidOperationException(message:Database {} is not empty. One or more tables exist.)",
                self.name
            );
            return Err(ddl_failed(message));
        }
        // The data of the tables stays where it is, as in Athena.
        session.catalog.delete_database(&self.name)?;
        Ok(Answer::default())
    }
}
