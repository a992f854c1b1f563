//! A session that knows Trino's functions, operators and types, and no others.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::planner::AggregateFunctionPlanner;
use datafusion::functions_window::planner::WindowFunctionPlanner;
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::prelude::SessionConfig;

use super::functions;
use super::planner::{Planner, Types};
use super::typing::TrinoTypes;
use super::unnest::Unnests;

/// The configuration that Trino's semantics need, running in `threads` partitions.
pub fn session_config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    let options = config.options_mut();
    // Trino sorts NULLs last, ascending or descending: <https://trino.io/docs/current/sql/select.html#order-by-clause>
    options.sql_parser.default_null_ordering = "nulls_last".into();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("+00:00".into());
    // A join's small side is built once for all streams, rather than both sides shuffled, up to this size. Text tables
    // have estimates only, and these are good enough for it.
    options.optimizer.hash_join_single_partition_threshold = 64 << 20;
    options.optimizer.hash_join_single_partition_threshold_rows = 1 << 20;
    config
}

/// A session with this configuration (start from [`session_config`]), to which the caller adds its catalogs.
pub fn session_state(runtime: Arc<RuntimeEnv>, config: SessionConfig) -> SessionStateBuilder {
    let scalars = functions::scalars();
    let rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(ResolveGroupingFunction::new()), Arc::new(TrinoTypes), Arc::new(TypeCoercion::new())];
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_analyzer_rules(rules)
        .with_type_planner(Arc::new(Types))
        .with_aggregate_functions(functions::aggregates())
        .with_window_functions(functions::windows());
    if let Some(planner) = Planner::new(&scalars) {
        // DataFusion's two know what `count(*)` is.
        let counts = (Arc::new(AggregateFunctionPlanner), Arc::new(WindowFunctionPlanner));
        builder = builder.with_expr_planners(vec![Arc::new(planner), counts.0, counts.1]);
    }
    if let Some(unnests) = Unnests::new(&scalars) {
        builder = builder.with_relation_planners(vec![Arc::new(unnests)]);
    }
    builder.with_scalar_functions(scalars)
}
