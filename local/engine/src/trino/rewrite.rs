//! The syntax tree in the words that the planner knows: Trino's meaning of literals, special forms and functions, names
//! for columns that have none. What this engine cannot do is refused here, by name and place.

use std::collections::HashSet;
use std::ops::ControlFlow;

use chrono::Utc;
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins,
    Value, VisitMut, VisitorMut, WindowFrameBound, WindowType,
};
use datafusion::sql::sqlparser::ast::{Function, Join, SetQuantifier};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::expressions;
use crate::{Error, Result};

/// Begins the name of an output column that has none; its position is known only after `*` is expanded.
const UNNAMED: &str = "$unnamed";
/// Begins the name of an output column whose name another column of the same query has.
const DUPLICATE: &str = "$duplicate";

/// Rewrites a query for the planner.
///
/// # Errors
/// [`Error::Unsupported`], `FUNCTION_NOT_FOUND` and the errors of malformed literals.
pub(crate) fn query(query: &mut Query) -> Result<()> {
    let mut rewriter = Rewriter { now: Utc::now().timestamp_micros(), ..Rewriter::default() };
    match query.visit(&mut rewriter) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name under which a user sees an output column of a rewritten query.
pub(crate) fn output_name(name: &str, position: usize) -> String {
    if name.starts_with(UNNAMED) {
        return format!("_col{position}");
    }
    match name.strip_prefix(DUPLICATE) {
        Some(rest) => rest.split_once('$').map_or(rest, |(_, name)| name).to_owned(),
        None => name.to_owned(),
    }
}

#[derive(Default)]
struct Rewriter {
    /// The time that `now()` gives, in microseconds since the epoch.
    now: i64,
    /// Numbers that are positions or counts, not values: `GROUP BY 1`, `LIMIT 5`.
    positions: HashSet<Location>,
    /// Makes the names of this query's unnamed columns unique.
    unnamed: usize,
    /// How deep the visit is in queries.
    depth: usize,
}

type Flow = ControlFlow<Box<Error>>;

fn flow(result: Result<()>) -> Flow {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl VisitorMut for Rewriter {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        self.depth += 1;
        flow(self.enter_query(query))
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> Flow {
        lower_name(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        flow(enter_table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Expr::Function(function) = expr {
            self.keep_frame(function);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Expr::Value(value) = expr
            && let Value::Number(..) = value.value
            && self.positions.contains(&value.span.start)
        {
            return ControlFlow::Continue(());
        }
        flow(expressions::rewrite(expr, self.now))
    }
}

impl Rewriter {
    fn enter_query(&mut self, query: &mut Query) -> Result<()> {
        if let Some(with) = &mut query.with {
            if with.recursive {
                return Err(Error::unsupported("WITH RECURSIVE"));
            }
            for cte in &mut with.cte_tables {
                lower_alias(&mut cte.alias);
            }
        }
        if let Some(fetch) = query.fetch.take() {
            if fetch.with_ties || fetch.percent {
                return Err(Error::unsupported("FETCH FIRST … WITH TIES"));
            }
            limit_by_fetch(query, fetch.quantity);
        }
        if let Some(order_by) = &query.order_by {
            match &order_by.kind {
                OrderByKind::All(_) => return Err(Error::unsupported("ORDER BY ALL")),
                OrderByKind::Expressions(items) => items.iter().for_each(|item| self.keep(&item.expr)),
            }
        }
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            for count in limit.iter().chain(offset.iter().map(|offset| &offset.value)) {
                self.keep(count);
            }
        }
        let depth = self.depth;
        self.enter_body(&mut query.body, depth == 1)
    }

    fn enter_body(&mut self, body: &mut SetExpr, outermost: bool) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.enter_select(select, outermost),
            SetExpr::SetOperation { left, right, set_quantifier, .. } => {
                if !matches!(set_quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None) {
                    return Err(Error::unsupported(format!("set operation {set_quantifier}")));
                }
                self.enter_body(left, outermost)?;
                self.enter_body(right, outermost)
            }
            SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
            other => Err(Error::unsupported(format!("{other} inside a query"))),
        }
    }

    fn enter_select(&mut self, select: &mut Select, outermost: bool) -> Result<()> {
        refuse_foreign_clauses(select)?;
        if let GroupByExpr::Expressions(items, _) = &select.group_by {
            for item in items {
                self.keep(item);
            }
        }
        join_unnests(&mut select.from);
        self.name_columns(select, outermost);
        Ok(())
    }

    /// Remembers a number that is a position.
    fn keep(&mut self, expr: &Expr) {
        if let Expr::Value(value) = expr {
            self.positions.insert(value.span.start);
        }
    }

    fn keep_frame(&mut self, function: &Function) {
        let Some(WindowType::WindowSpec(spec)) = &function.over else { return };
        let Some(frame) = &spec.window_frame else { return };
        for bound in std::iter::once(&frame.start_bound).chain(frame.end_bound.as_ref()) {
            if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound {
                self.keep(expr);
            }
        }
    }

    /// Gives every select item a name that is unique among its neighbours.
    fn name_columns(&mut self, select: &mut Select, outermost: bool) {
        let has_wildcard = select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let mut taken = HashSet::new();
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let alias = match natural_name(expr) {
                        None => self.fresh(UNNAMED, ""),
                        // Beside `*` the same column may come twice; nobody but the user sees the outermost names.
                        Some(name) if !taken.insert(name.clone()) || (has_wildcard && outermost) => {
                            self.fresh(DUPLICATE, &name)
                        }
                        Some(_) => continue,
                    };
                    let expr = std::mem::replace(expr, Expr::value(Value::Null));
                    *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) };
                }
                SelectItem::ExprWithAlias { alias, .. } => {
                    lower_ident(alias);
                    if !taken.insert(alias.value.clone()) {
                        alias.value = self.fresh(DUPLICATE, &alias.value);
                        alias.quote_style = Some('"');
                    }
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {}
            }
        }
    }

    fn fresh(&mut self, prefix: &str, name: &str) -> String {
        self.unnamed += 1;
        format!("{prefix}{}${name}", self.unnamed)
    }
}

/// What the parser knows from other dialects and Trino has not.
fn refuse_foreign_clauses(select: &Select) -> Result<()> {
    let foreign = [
        (matches!(select.distinct, Some(Distinct::On(_))), "SELECT DISTINCT ON"),
        (select.top.is_some(), "SELECT TOP"),
        (select.into.is_some(), "SELECT INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.qualify.is_some(), "QUALIFY"),
        (matches!(select.group_by, GroupByExpr::All(_)), "GROUP BY ALL"),
        (!select.sort_by.is_empty() || !select.cluster_by.is_empty(), "SORT BY"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (select.flavor != SelectFlavor::Standard, "FROM before SELECT"),
    ];
    match foreign.iter().find(|(found, _)| *found) {
        Some((_, clause)) => {
            let start = select.span().start;
            let message = format!("mismatched input '{clause}'. It is not part of Athena's SQL");
            Err(Error::Syntax { line: start.line, column: start.column, message })
        }
        None => Ok(()),
    }
}

/// The name that a select item has of itself.
fn natural_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.to_lowercase()),
        Expr::Nested(inner) => natural_name(inner),
        _ => None,
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn limit_by_fetch(query: &mut Query, quantity: Option<Expr>) {
    let one = || Expr::value(Value::Number("1".into(), false));
    let offset = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { offset, .. }) => offset,
        _ => None,
    };
    let limit = Some(quantity.unwrap_or_else(one));
    query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: vec![] });
}

fn enter_table_factor(factor: &mut TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { alias, sample, version, args, .. } => {
            if sample.is_some() {
                return Err(Error::unsupported("TABLESAMPLE"));
            }
            if version.is_some() {
                return Err(Error::unsupported("time travel (FOR … AS OF)"));
            }
            if args.is_some() {
                return Err(Error::unsupported("table functions"));
            }
            alias.iter_mut().for_each(lower_alias);
        }
        TableFactor::Derived { alias, sample, .. } => {
            if sample.is_some() {
                return Err(Error::unsupported("TABLESAMPLE"));
            }
            alias.iter_mut().for_each(lower_alias);
        }
        TableFactor::UNNEST { alias, .. } => alias.iter_mut().for_each(lower_alias),
        TableFactor::NestedJoin { table_with_joins, alias } => {
            nest_unnests(table_with_joins, false);
            alias.iter_mut().for_each(lower_alias);
        }
        TableFactor::TableFunction { .. } | TableFactor::Function { .. } => {
            return Err(Error::unsupported("table functions"));
        }
        TableFactor::MatchRecognize { .. } => return Err(Error::unsupported("MATCH_RECOGNIZE")),
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => return Err(Error::unsupported("PIVOT")),
        TableFactor::JsonTable { .. } => return Err(Error::unsupported("JSON_TABLE")),
        other => return Err(Error::unsupported(format!("{other} in FROM"))),
    }
    Ok(())
}

/// `FROM t, UNNEST(t.a)` is `FROM t CROSS JOIN UNNEST(t.a)`; every join with an `UNNEST` becomes the last join of a
/// parenthesis of its own, which the relation planner takes over.
fn join_unnests(from: &mut Vec<TableWithJoins>) {
    let mut joined: Vec<TableWithJoins> = Vec::with_capacity(from.len());
    for table in from.drain(..) {
        let unnest = matches!(table.relation, TableFactor::UNNEST { .. });
        match joined.last_mut() {
            Some(left) if unnest => {
                let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
                left.joins.push(Join { relation: table.relation, global: false, join_operator });
                left.joins.extend(table.joins);
            }
            _ => joined.push(table),
        }
    }
    for table in &mut joined {
        nest_unnests(table, true);
    }
    *from = joined;
}

/// `nest_last` is false for what is in parentheses already.
fn nest_unnests(table: &mut TableWithJoins, nest_last: bool) {
    let joins = std::mem::take(&mut table.joins);
    let last = joins.len();
    for (i, join) in joins.into_iter().enumerate() {
        let unnest = matches!(join.relation, TableFactor::UNNEST { .. });
        table.joins.push(join);
        if unnest && (nest_last || i + 1 < last) {
            let inner = TableWithJoins { relation: table.relation.clone(), joins: std::mem::take(&mut table.joins) };
            table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(inner), alias: None };
        }
    }
}

/// Names are case-insensitive in Trino, quoted or not.
pub(crate) fn lower_ident(ident: &mut Ident) {
    ident.value = ident.value.to_lowercase();
}

fn lower_alias(alias: &mut TableAlias) {
    lower_ident(&mut alias.name);
    alias.columns.iter_mut().for_each(|column| lower_ident(&mut column.name));
}

fn lower_name(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part {
            lower_ident(ident);
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;

    use super::*;

    fn rewritten(sql: &str) -> String {
        let Statement::Query(mut parsed) = super::super::parse(sql).unwrap() else { panic!("{sql} is no query") };
        query(&mut parsed).unwrap();
        parsed.to_string()
    }

    #[test]
    fn output_names() {
        assert_eq!(output_name("$unnamed7$", 2), "_col2");
        assert_eq!(output_name("$duplicate3$a", 1), "a");
        assert_eq!(output_name("total", 0), "total");
    }

    #[test]
    fn positions_stay_numbers() {
        let text = rewritten("SELECT a, 1 FROM t GROUP BY 1, 2 ORDER BY 2 LIMIT 5");
        assert!(text.contains("GROUP BY 1, 2 ORDER BY 2 LIMIT 5"), "{text}");
        assert!(text.contains("CAST(1 AS INTEGER) AS \"$unnamed1$\""), "{text}");
    }

    #[test]
    fn fetch_is_limit() {
        assert!(rewritten("SELECT a FROM t OFFSET 1 FETCH FIRST 3 ROWS ONLY").contains("LIMIT 3"));
    }

    #[test]
    fn unnest_joins_are_nested() {
        let text = rewritten("SELECT x FROM t CROSS JOIN UNNEST(t.a) AS u (x) JOIN s ON s.x = u.x");
        assert!(text.contains("(t CROSS JOIN UNNEST(t.a) AS u (x)) JOIN s"), "{text}");
    }
}
