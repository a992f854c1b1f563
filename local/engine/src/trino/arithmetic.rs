//! Arithmetic as Trino does it: whole numbers overflow with an error, decimals have Trino's precision and scale.
//! Source: <https://trino.io/docs/current/functions/decimal.html>

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Datum, Decimal128Array, Scalar};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::coercion::{self, Kind};
use super::error::data;
use super::types::trino_name;

/// Plans `left op right` for two numbers; `None` if DataFusion's own operator is Trino's.
pub(crate) fn plan(op: Operator, left: Expr, right: Expr, types: (&DataType, &DataType)) -> Option<Expr> {
    let common = coercion::common(types.0, types.1)?;
    match Kind::of(&common) {
        Kind::Whole(_) => {
            let (left, right) = (cast_to(left, types.0, &common), cast_to(right, types.1, &common));
            Some(checked(op, common, left, right))
        }
        Kind::Decimal => {
            let (lt, rt) = (own_decimal(types.0)?, own_decimal(types.1)?);
            let (left, right) = (cast_to(left, types.0, &lt), cast_to(right, types.1, &rt));
            let result = decimal_result(op, &lt, &rt)?;
            if op == Operator::Divide {
                return Some(checked(op, result, left, right));
            }
            let plain = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
            Some(Expr::Cast(Cast::new(Box::new(plain), result)))
        }
        _ => None,
    }
}

/// The decimal that a decimal is or that a whole number becomes.
fn own_decimal(data_type: &DataType) -> Option<DataType> {
    coercion::decimal_of(data_type).map(|(p, s)| DataType::Decimal128(p.min(38), s))
}

fn cast_to(expr: Expr, from: &DataType, to: &DataType) -> Expr {
    if from == to { expr } else { Expr::Cast(Cast::new(Box::new(expr), to.clone())) }
}

fn decimal_result(op: Operator, left: &DataType, right: &DataType) -> Option<DataType> {
    let ((lp, ls), (rp, rs)) = (coercion::decimal_of(left)?, coercion::decimal_of(right)?);
    let (lp, rp, ls, rs) = (i16::from(lp), i16::from(rp), i16::from(ls), i16::from(rs));
    let (precision, scale) = match op {
        Operator::Plus | Operator::Minus => (1 + ls.max(rs) + (lp - ls).max(rp - rs), ls.max(rs)),
        Operator::Multiply => (lp + rp, ls + rs),
        Operator::Divide => (lp + rs + (rs - ls).max(0), ls.max(rs)),
        Operator::Modulo => ((lp - ls).min(rp - rs) + ls.max(rs), ls.max(rs)),
        _ => return None,
    };
    Some(DataType::Decimal128(u8::try_from(precision.clamp(1, 38)).ok()?, i8::try_from(scale).ok()?))
}

fn checked(op: Operator, result: DataType, left: Expr, right: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    let function = ScalarUDF::new_from_impl(Arithmetic { op, result, signature });
    Arc::new(function).call(vec![left, right])
}

/// One operator on two operands of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    op: Operator,
    result: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "$add",
            Operator::Minus => "$subtract",
            Operator::Multiply => "$multiply",
            Operator::Divide => "$divide",
            _ => "$modulus",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let [left, right] = &args.args[..] else {
            return Err(datafusion::error::DataFusionError::Internal("an operator has two operands".into()));
        };
        let (left, right) = (Operand::of(left)?, Operand::of(right)?);
        let result = self.compute(left.datum(), right.datum())?;
        if constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(result))
    }
}

enum Operand {
    Column(ArrayRef),
    Constant(Scalar<ArrayRef>),
}

impl Operand {
    fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(column) => Self::Column(Arc::clone(column)),
            ColumnarValue::Scalar(scalar) => Self::Constant(scalar.to_scalar()?),
        })
    }

    fn datum(&self) -> &dyn Datum {
        match self {
            Self::Column(column) => column,
            Self::Constant(scalar) => scalar,
        }
    }
}

impl Arithmetic {
    fn compute(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef> {
        if let DataType::Decimal128(precision, scale) = self.result {
            return divide_decimals(left, right, precision, scale);
        }
        let result = match self.op {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            Operator::Multiply => numeric::mul(left, right),
            Operator::Divide => numeric::div(left, right),
            _ => numeric::rem(left, right),
        };
        result.map_err(|e| self.named(e))
    }

    fn named(&self, error: ArrowError) -> datafusion::error::DataFusionError {
        let (ArrowError::ArithmeticOverflow(text) | ArrowError::ComputeError(text)) = &error else {
            return error.into();
        };
        let operands = text.trim_start_matches("Overflow happened on: ");
        let message = format!("{} overflow: {operands}", trino_name(&self.result));
        data("NUMERIC_VALUE_OUT_OF_RANGE", message)
    }
}

/// Rounds half away from zero to the result's scale.
fn divide_decimals(left: &dyn Datum, right: &dyn Datum, precision: u8, scale: i8) -> Result<ArrayRef> {
    let ((left, left_constant), (right, right_constant)) = (left.get(), right.get());
    let (l, r) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let factor = 10_i128.checked_pow((scale + r.scale() - l.scale()).max(0).unsigned_abs().into());
    let rows = if left_constant { right.len() } else { left.len() };
    let at = |values: &Decimal128Array, constant: bool, row: usize| {
        let row = if constant { 0 } else { row };
        arrow::array::Array::is_valid(values, row).then(|| values.value(row))
    };
    let one = |row| {
        let (Some(a), Some(b)) = (at(l, left_constant, row), at(r, right_constant, row)) else { return Ok(None) };
        if b == 0 {
            return Err(ArrowError::DivideByZero.into());
        }
        let a = factor.and_then(|f| a.checked_mul(f)).filter(|a| a.checked_add(b.abs()).is_some());
        let a = a.ok_or_else(|| data("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow"))?;
        let (quotient, rest) = (a / b, a % b);
        let up = rest.unsigned_abs() * 2 >= b.unsigned_abs();
        Ok(Some(if up { quotient + a.signum() * b.signum() } else { quotient }))
    };
    let values = (0..rows).map(one).collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}
