//! A change of rows as a query: the address of each row of the table, the number of what happens to it, and the values
//! that it gets.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Case, Cast, Expr as Value, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, CaseWhen, Expr, Ident, JoinConstraint, JoinOperator, Query, SelectItem, SetExpr, TableAlias, TableFactor,
};

use crate::engine::execution::refused;
use crate::error::SEMANTIC;
use crate::statement::change::{RowAction, RowChange};
use crate::statement::query::query;
use crate::{Error, Result, trino};

/// The column of addresses.
const ROW: &str = "$row";
/// The column that tells which case fits.
const CASE: &str = "$case";

/// The query of a statement, and what its columns are.
#[derive(Debug)]
pub(super) struct ChangeQuery {
    change: RowChange,
    /// The columns behind address and case.
    items: Vec<Expr>,
    /// The values of each case: which column of the table gets which item.
    cases: Vec<Vec<(usize, usize)>>,
    /// The values that a case names itself, by column: their types are checked.
    named: Vec<Vec<(usize, usize)>>,
}

impl ChangeQuery {
    pub(super) fn of(change: RowChange, table: &Schema) -> Result<Self> {
        let mut new = Self { change, items: Vec::new(), cases: Vec::new(), named: Vec::new() };
        let mut unchanged = vec![None; table.fields().len()];
        for number in 0..new.change.cases.len() {
            let named = new.values(number, table)?;
            let mut all = named.clone();
            if matches!(new.change.cases[number].action, RowAction::Update(_)) {
                for (column, item) in unchanged.iter_mut().enumerate() {
                    if named.iter().any(|(set, _)| *set == column) {
                        continue;
                    }
                    let item = *item.get_or_insert_with(|| {
                        new.items.push(new.target_column(table.field(column).name()));
                        new.items.len() - 1
                    });
                    all.push((column, item));
                }
            }
            new.cases.push(all);
            new.named.push(named);
        }
        Ok(new)
    }

    /// The values that a case names.
    fn values(&mut self, number: usize, table: &Schema) -> Result<Vec<(usize, usize)>> {
        let is_merge = self.change.source.is_some();
        let (names, values): (Vec<String>, Vec<Expr>) = match &self.change.cases[number].action {
            RowAction::Delete => return Ok(Vec::new()),
            RowAction::Update(assigned) => assigned.iter().cloned().unzip(),
            RowAction::Insert { columns, values } if columns.is_empty() => {
                (table.fields().iter().map(|field| field.name().clone()).collect(), values.clone())
            }
            RowAction::Insert { columns, values } => (columns.clone(), values.clone()),
        };
        let columns = positions(table, &names, is_merge)?;
        if columns.len() != values.len() {
            let message = format!(
                "Insert query has mismatched column count: the table has {}, the values are {}",
                columns.len(),
                values.len()
            );
            return Err(Error::user("TYPE_MISMATCH", SEMANTIC, message));
        }
        let mut given = Vec::with_capacity(columns.len());
        for (column, value) in columns.into_iter().zip(values) {
            let value = if is_merge && !is_plain(&value) { self.only_in(number, value) } else { value };
            self.items.push(value);
            given.push((column, self.items.len() - 1));
        }
        Ok(given)
    }

    /// The query's text as a tree.
    pub(super) fn query(&self) -> Result<Box<Query>> {
        let skeleton = match (&self.change.source, self.change.cases.iter().all(|case| case.matched)) {
            (None, _) => "SELECT 1 FROM \"$target\" AS t",
            (Some(_), true) => "SELECT 1 FROM s JOIN \"$target\" AS t ON true",
            (Some(_), false) => "SELECT 1 FROM s LEFT JOIN \"$target\" AS t ON true",
        };
        let mut query = query(skeleton)?;
        let SetExpr::Select(select) = query.body.as_mut() else { return Err(broken()) };
        let [from] = select.from.as_mut_slice() else { return Err(broken()) };
        let target = match (&self.change.source, from.joins.as_mut_slice()) {
            (Some(source), [join]) => {
                from.relation = source.table.clone();
                let (JoinOperator::Join(on) | JoinOperator::Left(on)) = &mut join.join_operator else {
                    return Err(broken());
                };
                *on = JoinConstraint::On(source.on.clone());
                &mut join.relation
            }
            _ => &mut from.relation,
        };
        let TableFactor::Table { alias: Some(TableAlias { name, .. }), .. } = target else { return Err(broken()) };
        *name = self.change.alias.clone();
        select.selection.clone_from(&self.change.filter);
        let named =
            |(expr, name): (Expr, String)| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
        let items = self.items.iter().cloned().enumerate().map(|(at, item)| (item, format!("$value{at}")));
        let first = [(self.target_column(ROW), ROW.to_owned()), (self.case(), CASE.to_owned())];
        select.projection = first.into_iter().chain(items).map(named).collect();
        Ok(query)
    }

    /// The query's columns as address, case, and the table's columns, which a statement that only deletes has not.
    pub(super) fn columns(&self, planned: trino::Planned, table: &Schema) -> Result<LogicalPlan> {
        let given: Vec<(Value, DataType)> =
            planned.plan.schema().iter().map(|column| (Value::from(column), column.1.data_type().clone())).collect();
        let [(row, _), (case, _), items @ ..] = given.as_slice() else { return Err(broken()) };
        self.check_types(items, table)?;
        let case = Value::Cast(Cast::new(Box::new(case.clone()), DataType::Int32));
        let mut columns = vec![row.clone().alias(ROW), case.clone().alias(CASE)];
        if self.cases.iter().any(|values| !values.is_empty()) {
            for (at, field) in table.fields().iter().enumerate() {
                columns.push(self.column(at, field.data_type(), &case, items)?.alias(field.name()));
            }
        }
        let plan = LogicalPlanBuilder::from(planned.plan).project(columns).and_then(LogicalPlanBuilder::build);
        plan.map_err(trino::error)
    }

    /// The value of one column of the table: that of the case that fits.
    fn column(&self, column: usize, type_: &DataType, case: &Value, items: &[(Value, DataType)]) -> Result<Value> {
        let mut values = Vec::new();
        for (number, given) in (1_i32..).zip(&self.cases) {
            for (_, item) in given.iter().filter(|(target, _)| *target == column) {
                let (value, from) = &items[*item];
                let value = trino::assigned(value.clone(), from, type_).ok_or_else(broken)?;
                values.push((Box::new(lit(number)), Box::new(value)));
            }
        }
        let null = Value::Literal(ScalarValue::try_from(type_).map_err(trino::error)?, None);
        if values.is_empty() {
            return Ok(null);
        }
        Ok(Value::Case(Case::new(Some(Box::new(case.clone())), values, Some(Box::new(null)))))
    }

    /// Trino's words: <https://github.com/trinodb/trino>, `StatementAnalyzer`.
    fn check_types(&self, items: &[(Value, DataType)], table: &Schema) -> Result<()> {
        for (number, given) in self.named.iter().enumerate() {
            let fits = |(column, item): &(usize, usize)| {
                let (value, from) = &items[*item];
                trino::assigned(value.clone(), from, table.field(*column).data_type()).is_some()
            };
            if given.iter().all(fits) {
                continue;
            }
            let name = trino::types::trino_name;
            let wanted: Vec<_> = given.iter().map(|(column, _)| name(table.field(*column).data_type())).collect();
            let found: Vec<_> = given.iter().map(|(_, item)| name(&items[*item].1)).collect();
            let statement = match self.change.source {
                Some(_) => format!("MERGE table column types don't match for MERGE case {number}, SET expressions"),
                None => "UPDATE table column types don't match SET expressions".to_owned(),
            };
            let message = format!("{statement}: Table: [{}], Expressions: [{}]", wanted.join(", "), found.join(", "));
            return Err(Error::user("TYPE_MISMATCH", SEMANTIC, message));
        }
        Ok(())
    }

    fn target_column(&self, name: &str) -> Expr {
        Expr::CompoundIdentifier(vec![self.change.alias.clone(), Ident::with_quote('"', name)])
    }

    /// The number of the case that fits, 0 if none does.
    fn case(&self) -> Expr {
        if self.change.source.is_none() {
            return number(1);
        }
        let matched = Expr::IsNotNull(Box::new(self.target_column(ROW)));
        let matched = CaseWhen { condition: matched, result: self.first_that_fits(true) };
        choice(vec![matched], self.first_that_fits(false))
    }

    fn first_that_fits(&self, matched: bool) -> Expr {
        let mut conditions = Vec::new();
        for (at, case) in (1..).zip(&self.change.cases).filter(|(_, case)| case.matched == matched) {
            match &case.condition {
                Some(condition) => conditions.push(CaseWhen { condition: condition.clone(), result: number(at) }),
                None => return choice(conditions, number(at)),
            }
        }
        choice(conditions, number(0))
    }

    /// A value that is worked out for the rows of one case only: it may fail for others.
    fn only_in(&self, case: usize, value: Expr) -> Expr {
        let condition = Expr::BinaryOp {
            left: Box::new(self.case()),
            op: ast::BinaryOperator::Eq,
            right: Box::new(number(case + 1)),
        };
        case_when(vec![CaseWhen { condition, result: value }], None)
    }
}

/// Whether a value cannot fail, whatever the row.
fn is_plain(value: &Expr) -> bool {
    match value {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner) => is_plain(inner),
        Expr::UnaryOp { expr, .. } => matches!(expr.as_ref(), Expr::Value(_)),
        _ => false,
    }
}

fn number(number: usize) -> Expr {
    Expr::value(ast::Value::Number(number.to_string(), false))
}

fn choice(conditions: Vec<CaseWhen>, otherwise: Expr) -> Expr {
    if conditions.is_empty() { otherwise } else { case_when(conditions, Some(Box::new(otherwise))) }
}

fn case_when(conditions: Vec<CaseWhen>, else_result: Option<Box<Expr>>) -> Expr {
    let (case_token, end_token) = (AttachedToken::empty(), AttachedToken::empty());
    Expr::Case { case_token, end_token, operand: None, conditions, else_result }
}

/// The columns that a statement writes to.
fn positions(table: &Schema, names: &[String], is_merge: bool) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = table.index_of(name).map_err(|_| {
            let message = if is_merge {
                format!("Merge column name does not exist in target table: {name}")
            } else {
                format!("The UPDATE SET target column {name} doesn't exist")
            };
            refused("COLUMN_NOT_FOUND", message)
        })?;
        if positions.contains(&position) {
            let statement = if is_merge { "Merge" } else { "Update" };
            let message = format!("{statement} column name is specified more than once: {name}");
            return Err(refused("DUPLICATE_COLUMN_NAME", message));
        }
        positions.push(position);
    }
    Ok(positions)
}

/// The query is not what was made: a mistake of this module.
fn broken() -> Error {
    Error::DataFusion(DataFusionError::Internal("a change of rows does not have the query that it was given".into()))
}
