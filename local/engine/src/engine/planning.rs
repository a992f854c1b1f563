//! The session in which a query is planned.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

use super::Engine;
use super::names::Names;
use crate::catalog::Catalog;
use crate::lake::Lake;
use crate::statement::name::DATA_CATALOG;
use crate::{Result, trino};

/// What planning needs of the engine. Cheap to clone.
#[derive(Clone)]
pub(super) struct Planner {
    pub(super) catalog: Catalog,
    pub(super) lake: Lake,
    runtime: Arc<RuntimeEnv>,
    threads: usize,
}

impl Planner {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            catalog: engine.catalog.clone(),
            lake: engine.lake.clone(),
            runtime: Arc::clone(&engine.runtime),
            threads: engine.threads,
        }
    }

    /// The session of one statement: Trino's language, and the names that it may use.
    pub(super) fn session(&self, names: Names, database: &str) -> SessionState {
        let config = trino::session_config(self.threads)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(DATA_CATALOG, database);
        let builder = trino::session_state(Arc::clone(&self.runtime), config);
        builder.with_catalog_list(Arc::new(names)).build()
    }
}

/// The plan that runs, of one that [`trino::plan`] has analysed; what was added to it since has its types.
pub(super) async fn physical(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = state.optimizer().optimize(plan.clone(), state, |_, _| {}).map_err(trino::error)?;
    state.query_planner().create_physical_plan(&plan, state).await.map_err(trino::error)
}
