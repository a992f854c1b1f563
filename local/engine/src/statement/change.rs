//! `DELETE`, `UPDATE` and `MERGE`: which rows of a table change, and how.
//!
//! Sources: <https://docs.aws.amazon.com/athena/latest/ug/delete-statement.html> and its neighbours for `UPDATE` and
//! `MERGE INTO`. The three have one form here: a `DELETE` or an `UPDATE` is a `MERGE` without a source.

use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, Expr, FromTable, Ident, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr,
    MergeInsertKind, MergeUpdateExpr, ObjectName, ObjectNamePart, Spanned, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::name::TableName;
use super::tokens::{Language, Tokens};
use super::{Action, Statement};
use crate::{Error, Result, trino};

/// A change of rows.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(crate) table: TableName,
    /// What the statement calls the table.
    pub(crate) alias: Ident,
    /// The rows that a `MERGE` compares with the table's.
    pub(crate) source: Option<Source>,
    /// The `WHERE` of a `DELETE` or an `UPDATE`.
    pub(crate) filter: Option<Expr>,
    /// What happens to a row: the first that fits.
    pub(crate) cases: Vec<Case>,
}

/// `USING table ON condition`
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) table: TableFactor,
    pub(crate) on: Expr,
}

/// `WHEN [NOT] MATCHED [AND condition] THEN …`
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) matched: bool,
    pub(crate) condition: Option<Expr>,
    pub(crate) action: RowAction,
}

/// What happens to one row.
#[derive(Debug)]
pub(crate) enum RowAction {
    Delete,
    /// Columns, in lower case, and their new values.
    Update(Vec<(String, Expr)>),
    Insert {
        /// In lower case; none of them means all of the table's.
        columns: Vec<String>,
        values: Vec<Expr>,
    },
}

/// `DELETE FROM name [WHERE condition]`
pub(super) fn delete(sql: &str, database: &str) -> Result<Statement> {
    Tokens::new(sql, Language::Trino)?.expect("DELETE FROM")?;
    let ast::Statement::Delete(parsed) = trino::parse(sql)? else { return Err(mistaken("DELETE", (1, 1))) };
    let FromTable::WithFromKeyword(from) = parsed.from else { return Err(mistaken("DELETE", (1, 1))) };
    let foreign = [
        (!parsed.tables.is_empty() || from.len() != 1, ","),
        (parsed.using.is_some(), "USING"),
        (parsed.returning.is_some(), "RETURNING"),
        (!parsed.order_by.is_empty(), "ORDER"),
        (parsed.limit.is_some(), "LIMIT"),
    ];
    refuse(&foreign, parsed.delete_token.0.span.start)?;
    let (table, alias) = plain_table(from, database)?;
    let cases = vec![Case { matched: true, condition: None, action: RowAction::Delete }];
    let change = RowChange { table, alias, source: None, filter: parsed.selection, cases };
    Ok(Statement::dml("DELETE", Action::ChangeRows(Box::new(change))))
}

/// `UPDATE name SET column = value, … [WHERE condition]`
pub(super) fn update(sql: &str, database: &str) -> Result<Statement> {
    let ast::Statement::Update(parsed) = trino::parse(sql)? else { return Err(mistaken("UPDATE", (1, 1))) };
    let foreign = [
        (parsed.or.is_some(), "OR"),
        (parsed.from.is_some(), "FROM"),
        (parsed.returning.is_some(), "RETURNING"),
        (parsed.limit.is_some(), "LIMIT"),
    ];
    refuse(&foreign, parsed.update_token.0.span.start)?;
    let (table, alias) = plain_table(vec![parsed.table], database)?;
    let action = RowAction::Update(assigned(parsed.assignments)?);
    let cases = vec![Case { matched: true, condition: None, action }];
    let change = RowChange { table, alias, source: None, filter: parsed.selection, cases };
    Ok(Statement::dml("UPDATE", Action::ChangeRows(Box::new(change))))
}

/// `MERGE INTO name [[AS] alias] USING table ON condition WHEN …`
pub(super) fn merge(sql: &str, database: &str) -> Result<Statement> {
    Tokens::new(sql, Language::Trino)?.expect("MERGE INTO")?;
    let ast::Statement::Merge(parsed) = trino::parse(sql)? else { return Err(mistaken("MERGE", (1, 1))) };
    let start = parsed.merge_token.0.span.start;
    refuse(&[(parsed.output.is_some(), "RETURNING")], start)?;
    if parsed.clauses.is_empty() {
        return Err(Error::Syntax {
            line: start.line,
            column: start.column,
            message: "mismatched input '<EOF>'. Expecting: 'WHEN'".to_owned(),
        });
    }
    let (table, alias) = target(parsed.table, database)?;
    let cases = parsed.clauses.into_iter().map(case).collect::<Result<_>>()?;
    let source = Some(Source { table: parsed.source, on: *parsed.on });
    let change = RowChange { table, alias, source, filter: None, cases };
    Ok(Statement::dml("MERGE", Action::ChangeRows(Box::new(change))))
}

fn case(clause: MergeClause) -> Result<Case> {
    let start = clause.when_token.0.span.start;
    let matched = match clause.clause_kind {
        MergeClauseKind::Matched => true,
        MergeClauseKind::NotMatched => false,
        MergeClauseKind::NotMatchedByTarget | MergeClauseKind::NotMatchedBySource => {
            return Err(mistaken("BY", (start.line, start.column)));
        }
    };
    let action = match clause.action {
        MergeAction::Delete { .. } => RowAction::Delete,
        MergeAction::Update(MergeUpdateExpr { assignments, update_predicate, delete_predicate, .. }) => {
            refuse(&[(update_predicate.is_some(), "WHERE"), (delete_predicate.is_some(), "DELETE")], start)?;
            RowAction::Update(assigned(assignments)?)
        }
        MergeAction::Insert(insert) => inserted(insert, start)?,
    };
    Ok(Case { matched, condition: clause.predicate, action })
}

fn inserted(insert: MergeInsertExpr, start: Location) -> Result<RowAction> {
    refuse(&[(insert.insert_predicate.is_some(), "WHERE")], start)?;
    let MergeInsertKind::Values(mut values) = insert.kind else {
        return Err(mistaken("ROW", (start.line, start.column)));
    };
    refuse(&[(values.explicit_row, "ROW"), (values.value_keyword, "VALUE"), (values.rows.len() != 1, ",")], start)?;
    let columns = insert.columns.iter().map(column).collect::<Result<_>>()?;
    Ok(RowAction::Insert { columns, values: values.rows.pop().unwrap_or_default() })
}

fn assigned(assignments: Vec<ast::Assignment>) -> Result<Vec<(String, Expr)>> {
    let one = |assignment: ast::Assignment| match &assignment.target {
        AssignmentTarget::ColumnName(name) => Ok((column(name)?, assignment.value)),
        AssignmentTarget::Tuple(_) => {
            let start = assignment.span().start;
            Err(mistaken("(", (start.line, start.column)))
        }
    };
    assignments.into_iter().map(one).collect()
}

/// A column that is written to: its name alone.
fn column(name: &ObjectName) -> Result<String> {
    if let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() {
        return Ok(ident.value.to_lowercase());
    }
    let start = name.span().start;
    Err(mistaken(".", (start.line, start.column)))
}

/// The one table of a statement that gives it no other name.
fn plain_table(mut tables: Vec<TableWithJoins>, database: &str) -> Result<(TableName, Ident)> {
    let Some(TableWithJoins { relation, joins }) = tables.pop() else { return Err(mistaken("<EOF>", (1, 1))) };
    let start = relation.span().start;
    let aliased = matches!(&relation, TableFactor::Table { alias: Some(_), .. });
    refuse(&[(!joins.is_empty(), "JOIN"), (aliased, "AS")], start)?;
    target(relation, database)
}

fn target(table: TableFactor, database: &str) -> Result<(TableName, Ident)> {
    let start = table.span().start;
    let TableFactor::Table { name, alias, args: None, version: None, sample: None, .. } = table else {
        return Err(mistaken("(", (start.line, start.column)));
    };
    let columns = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
    refuse(&[(columns, "(")], start)?;
    let table = TableName::of(&name, database)?;
    let alias = alias.map_or_else(|| Ident::with_quote('"', &table.name), |alias| alias.name);
    Ok((table, alias))
}

/// What the parser knows from other dialects and Trino has not.
fn refuse(foreign: &[(bool, &str)], start: Location) -> Result<()> {
    match foreign.iter().find(|(found, _)| *found) {
        Some((_, word)) => Err(mistaken(word, (start.line, start.column))),
        None => Ok(()),
    }
}

fn mistaken(word: &str, (line, column): (u64, u64)) -> Error {
    let message = format!("mismatched input '{word}'. It is not part of Athena's SQL here");
    Error::Syntax { line: line.max(1), column: column.max(1), message }
}
