//! `FOR VERSION AS OF …` and `FOR TIMESTAMP AS OF …`: which state of a table a query reads.
//!
//! The value is a query of its own, worked out while the statement is planned; the table's name then carries it, so that
//! whoever finds tables by name finds that state. Source: <https://trino.io/docs/current/connector/iceberg.html>, time
//! travel queries.

use std::ops::ControlFlow;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableVersion,
    VisitMut, VisitorMut, visit_relations,
};

use super::coercion::Kind;
use super::types::trino_name;
use super::{error, parse, plan};
use crate::{Error, Result};

/// Stands between a table's name and the state of it that is meant. No user's table has it in its name.
const MARK: &str = "$as of$";

/// A state of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOf {
    /// The snapshot with this id.
    Snapshot(i64),
    /// The snapshot of this branch or tag.
    Reference(String),
    /// The state at this time, in milliseconds since the epoch.
    Time(i64),
}

impl AsOf {
    /// A table's name without the state that it carries, and that state.
    pub fn of_name(name: &str) -> (&str, Option<Self>) {
        let Some((table, state)) = name.split_once(MARK) else { return (name, None) };
        let state = match state.split_once(' ') {
            Some(("snapshot", id)) => id.parse().ok().map(Self::Snapshot),
            Some(("time", millis)) => millis.parse().ok().map(Self::Time),
            Some(("reference", bytes)) => {
                let bytes = bytes.split('.').map(str::parse).collect::<Result<Vec<u8>, _>>();
                bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Self::Reference)
            }
            _ => None,
        };
        (table, state)
    }

    /// What the name of a table carries for this state. Names lose their capitals, references must not.
    fn suffix(&self) -> String {
        match self {
            Self::Snapshot(id) => format!("{MARK}snapshot {id}"),
            Self::Time(millis) => format!("{MARK}time {millis}"),
            Self::Reference(name) => {
                let bytes: Vec<_> = name.bytes().map(|byte| byte.to_string()).collect();
                format!("{MARK}reference {}", bytes.join("."))
            }
        }
    }
}

/// Works out the states that a query names.
///
/// # Errors
/// Those of the values; `NOT_SUPPORTED` for a value of another type; `INVALID_ARGUMENTS` for NULL and the future.
pub(crate) async fn resolve(state: &SessionState, query: &mut Query) -> Result<()> {
    let mut found = Versions::default();
    let _ = query.visit(&mut found);
    let mut states = Vec::with_capacity(found.0.len());
    for version in found.0 {
        states.push(work_out(state, version).await?);
    }
    // The same tables, in the same order.
    let _ = query.visit(&mut Named(states.into_iter()));
    Ok(())
}

/// Takes the versions out of a query's tables.
#[derive(Default)]
struct Versions(Vec<TableVersion>);

impl VisitorMut for Versions {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, version, .. } = factor
            && let Some(version) = version.take()
        {
            self.0.push(version);
            if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
                let name = ident.clone();
                alias.get_or_insert_with(|| TableAlias { explicit: true, name, columns: Vec::new() });
                ident.value.push_str(MARK);
                ident.quote_style = Some('"');
            }
        }
        ControlFlow::Continue(())
    }
}

/// Completes the names.
struct Named(std::vec::IntoIter<AsOf>);

impl VisitorMut for Named {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut()
            && let Some(table) = ident.value.strip_suffix(MARK)
            && let Some(state) = self.0.next()
        {
            ident.value = format!("{table}{}", state.suffix());
        }
        ControlFlow::Continue(())
    }
}

async fn work_out(state: &SessionState, version: TableVersion) -> Result<AsOf> {
    match version {
        // See `tokens`: `FOR VERSION AS OF` comes in these words.
        TableVersion::ForSystemTimeAsOf(value) => of_version(&value_of(state, value).await?),
        TableVersion::TimestampAsOf(value) => of_time(&value_of(state, value).await?),
        TableVersion::VersionAsOf(_) | TableVersion::Function(_) => Err(Error::unsupported("time travel without FOR")),
    }
}

/// The value of an expression that refers to no table.
async fn value_of(state: &SessionState, expr: Expr) -> Result<ScalarValue> {
    if visit_relations(&expr, |_| ControlFlow::Break(())).is_break() {
        let message = "Constant expression cannot contain a subquery";
        return Err(Error::user("EXPRESSION_NOT_CONSTANT", error::STATEMENT, message));
    }
    let Statement::Query(mut query) = parse("SELECT 1")? else {
        return Err(Error::unsupported("time travel"));
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::ExprWithAlias { expr, alias: Ident::new("version") }];
    }
    let planned = Box::pin(plan(state, query)).await?;
    let physical = state.create_physical_plan(&planned.plan).await.map_err(error)?;
    let batches = collect(physical, state.task_ctx()).await.map_err(error)?;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let column = batch.and_then(|batch| batch.columns().first());
    match column {
        Some(column) => ScalarValue::try_from_array(column, 0).map_err(error),
        None => Ok(ScalarValue::Null),
    }
}

/// Trino's words here and below: <https://github.com/trinodb/trino>, `IcebergMetadata` and `StatementAnalyzer`.
fn of_version(value: &ScalarValue) -> Result<AsOf> {
    not_null(value)?;
    match Kind::of(&value.data_type()) {
        Kind::Whole(_) => match value.cast_to(&DataType::Int64).map_err(error)? {
            ScalarValue::Int64(Some(id)) => Ok(AsOf::Snapshot(id)),
            _ => Err(unsupported("table version", value)),
        },
        Kind::Varchar => match value.try_as_str().flatten() {
            Some(name) => Ok(AsOf::Reference(name.to_owned())),
            None => Err(unsupported("table version", value)),
        },
        _ => Err(unsupported("table version", value)),
    }
}

fn of_time(value: &ScalarValue) -> Result<AsOf> {
    not_null(value)?;
    let known = matches!(Kind::of(&value.data_type()), Kind::Date | Kind::Timestamp | Kind::TimestampTz);
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    match value.cast_to(&micros).ok().filter(|_| known) {
        Some(ScalarValue::TimestampMicrosecond(Some(micros), _)) => {
            let millis = micros.div_euclid(1000);
            if millis > chrono::Utc::now().timestamp_millis() {
                let message = format!("Pointer value '{value}' is not in the past");
                return Err(Error::user("INVALID_ARGUMENTS", error::STATEMENT, message));
            }
            Ok(AsOf::Time(millis))
        }
        _ => Err(unsupported("temporal table version", value)),
    }
}

fn not_null(value: &ScalarValue) -> Result<()> {
    if value.is_null() {
        return Err(Error::user("INVALID_ARGUMENTS", error::STATEMENT, "Pointer value cannot be NULL"));
    }
    Ok(())
}

fn unsupported(what: &str, value: &ScalarValue) -> Error {
    let type_ = trino_name(&value.data_type());
    Error::user("NOT_SUPPORTED", error::STATEMENT, format!("Unsupported type for {what}: {type_}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_a_state_there_and_back() {
        for state in [AsOf::Snapshot(-7), AsOf::Time(1_700_000_000_000), AsOf::Reference("Märk $ of".into())] {
            let name = format!("daily{}", state.suffix().to_lowercase());
            assert_eq!(AsOf::of_name(&name), ("daily", Some(state)));
        }
        assert_eq!(AsOf::of_name("daily$files"), ("daily$files", None));
    }
}
