//! `sum` and `avg` with Trino's result types: a decimal's sum is `decimal(38, s)`, its average has the decimal's own type;
//! whole numbers sum up to `bigint`; a `real` stays one.
//! Source: <https://trino.io/docs/current/functions/aggregate.html>

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::coercion::Kind;
use super::error;
use super::types::trino_name;

/// The aggregates of this file.
pub(crate) fn functions() -> Vec<Arc<AggregateUDF>> {
    let typed = |inner, returns| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(Typed { inner, returns, signature }))
    };
    vec![typed(sum::sum_udaf(), Returns::Sum), typed(average::avg_udaf(), Returns::Average)]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Returns {
    Sum,
    Average,
}

/// DataFusion's aggregate with a cast behind it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Typed {
    inner: Arc<AggregateUDF>,
    returns: Returns,
    signature: Signature,
}

impl Typed {
    /// What the inner aggregate is given for an argument.
    fn argument(&self, actual: &DataType) -> Result<DataType> {
        Ok(match (Kind::of(actual), self.returns) {
            (Kind::Unknown, _) => DataType::Int64,
            (Kind::Whole(_), Returns::Sum) => DataType::Int64,
            (Kind::Whole(_) | Kind::Real | Kind::Double, _) => DataType::Float64,
            (Kind::Decimal, _) => actual.clone(),
            _ => {
                let (name, given) = (self.inner.name(), trino_name(actual));
                let forms = format!("{name}(double), {name}(real), {name}(bigint), {name}(decimal(p,s))");
                let message = format!("Unexpected parameters ({given}) for function {name}. Expected: {forms}");
                return Err(error::tagged("FUNCTION_NOT_FOUND", &message));
            }
        })
    }

    /// Trino's result type for an argument that [`Self::argument`] has been applied to.
    fn result(&self, argument: &DataType) -> DataType {
        match (argument, self.returns) {
            (DataType::Decimal128(_, scale), Returns::Sum) => DataType::Decimal128(38, *scale),
            (DataType::Decimal128(..), Returns::Average) => argument.clone(),
            (DataType::Int64, Returns::Sum) => DataType::Int64,
            _ => DataType::Float64,
        }
    }

    fn inner_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<_> = fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.inner.name(), self.inner.return_type(&types)?, true)))
    }
}

impl AggregateUDFImpl for Typed {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        if let [argument] = arg_types {
            Ok(vec![self.argument(argument)?])
        } else {
            let name = self.inner.name();
            let message = format!("Unexpected parameters for function {name}: it takes one");
            Err(error::tagged("FUNCTION_NOT_FOUND", &message))
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().map_or(DataType::Null, |argument| self.result(argument)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let return_field = self.inner_field(args.input_fields)?;
        self.inner.state_fields(StateFieldsArgs { return_field, ..args })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let to = args.return_field.data_type().clone();
        let return_field = self.inner_field(args.expr_fields)?;
        let inner = self.inner.accumulator(AccumulatorArgs { return_field, ..args })?;
        Ok(Box::new(CastAccumulator { inner, to }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match self.inner_field(args.expr_fields) {
            Ok(return_field) => self.inner.groups_accumulator_supported(AccumulatorArgs { return_field, ..args }),
            Err(_) => false,
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let to = args.return_field.data_type().clone();
        let return_field = self.inner_field(args.expr_fields)?;
        let same = *return_field.data_type() == to;
        let inner = self.inner.create_groups_accumulator(AccumulatorArgs { return_field, ..args })?;
        Ok(if same { inner } else { Box::new(CastGroups { inner, to }) })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let to = args.return_field.data_type().clone();
        let return_field = self.inner_field(args.expr_fields)?;
        let inner = self.inner.create_sliding_accumulator(AccumulatorArgs { return_field, ..args })?;
        Ok(Box::new(CastAccumulator { inner, to }))
    }
}

#[derive(Debug)]
struct CastAccumulator {
    inner: Box<dyn Accumulator>,
    to: DataType,
}

impl Accumulator for CastAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()?.cast_to(&self.to)
    }
    fn size(&self) -> usize {
        self.inner.size()
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }
    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

struct CastGroups {
    inner: Box<dyn GroupsAccumulator>,
    to: DataType,
}

impl GroupsAccumulator for CastGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, group_indices, opt_filter, total_num_groups)
    }
    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(cast(&self.inner.evaluate(emit_to)?, &self.to)?)
    }
    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }
    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner.merge_batch(values, group_indices, opt_filter, total_num_groups)
    }
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, opt_filter)
    }
    fn supports_convert_to_state(&self) -> bool {
        self.inner.supports_convert_to_state()
    }
    fn size(&self) -> usize {
        self.inner.size()
    }
}
