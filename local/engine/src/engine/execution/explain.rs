//! `EXPLAIN`: the plan as text.

use datafusion::physical_plan::displayable;

use super::Execution;
use crate::engine::QueryOutput;
use crate::engine::planning::physical;
use crate::statement::Answer;
use crate::statement::query::Select;
use crate::{Result, trino};

impl Execution {
    /// The logical plan and the plan that would run. Nothing is read.
    pub(super) async fn explain(self, select: Select) -> Result<QueryOutput> {
        let (state, planned) = self.plan(select.query).await?;
        let optimized = state.optimize(&planned.plan).map_err(trino::error)?;
        let physical = physical(&state, &planned.plan).await?;
        let text = format!(
            "Logical plan\n{}\nPhysical plan\n{}",
            optimized.display_indent(),
            displayable(physical.as_ref()).indent(false)
        );
        Ok(self.answered(Answer::new(&["Query Plan"], text.lines().map(str::to_owned).collect())))
    }
}
