//! The functions that Step Functions adds to JSONata, and those that must not read a clock or dice of their own.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#jsonata-functions-jsonata>

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, Utc};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, HostFnResult};
use jsonata_core::value::JValue;
use md5::Digest;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The longest array that `$range` makes.
const MAX_RANGE: f64 = 1_000_000.0;

/// Adds the functions to `evaluator`. Time is `now`; random values follow from `entropy`.
pub(crate) fn register(evaluator: &mut Evaluator, now: DateTime<Utc>, entropy: u64) -> Result<(), EvaluatorError> {
    let dice = Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(entropy)));
    let dice_of_uuid = Rc::clone(&dice);
    evaluator.register_fn("partition", partition)?;
    evaluator.register_fn("range", range)?;
    evaluator.register_fn("hash", hash)?;
    evaluator.register_fn("parse", parse)?;
    evaluator.register_fn("uuid", move |_: &[JValue]| Ok(uuid(&mut dice_of_uuid.borrow_mut())))?;
    evaluator.register_fn_override("random", move |arguments: &[JValue]| random(arguments, &mut dice.borrow_mut()))?;
    evaluator.register_fn_override("now", move |arguments: &[JValue]| now_as_text(arguments, now))?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from(now.timestamp_millis())))?;
    evaluator.register_fn_override("eval", |_: &[JValue]| {
        Err(failure("$eval is not supported by Step Functions; use $parse to read JSON"))
    })
}

fn failure(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn text<'a>(arguments: &'a [JValue], index: usize, what: &str) -> Result<&'a str, EvaluatorError> {
    arguments.get(index).and_then(JValue::as_str).ok_or_else(|| failure(format!("{what} must be a string")))
}

fn number(arguments: &[JValue], index: usize, what: &str) -> Result<f64, EvaluatorError> {
    arguments.get(index).and_then(JValue::as_f64).ok_or_else(|| failure(format!("{what} must be a number")))
}

/// `$partition(array, size)`: the array in pieces of at most `size`.
fn partition(arguments: &[JValue]) -> HostFnResult {
    let items = arguments
        .first()
        .and_then(JValue::as_array)
        .ok_or_else(|| failure("the first argument of $partition must be an array"))?;
    let size = number(arguments, 1, "the second argument of $partition")?.round();
    if !(1.0..=MAX_RANGE).contains(&size) {
        return Err(failure("the second argument of $partition must be a positive number"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    let pieces = items.chunks(size as usize).map(|piece| JValue::array(piece.to_vec())).collect();
    Ok(JValue::array(pieces))
}

/// `$range(first, last, step)`: from `first` up to and including `last`.
fn range(arguments: &[JValue]) -> HostFnResult {
    let first = number(arguments, 0, "the first argument of $range")?;
    let last = number(arguments, 1, "the second argument of $range")?;
    let step = number(arguments, 2, "the third argument of $range")?;
    if step == 0.0 {
        return Err(failure("the third argument of $range must not be 0"));
    }
    let steps = ((last - first) / step).floor();
    if steps >= MAX_RANGE {
        return Err(failure(format!("$range would make more than {MAX_RANGE} values")));
    }
    let mut values = Vec::new();
    let mut index = 0.0;
    while index <= steps {
        values.push(JValue::from(first + index * step));
        index += 1.0;
    }
    Ok(JValue::array(values))
}

/// `$hash(data, algorithm)`: hexadecimal, in lower case.
fn hash(arguments: &[JValue]) -> HostFnResult {
    let data = text(arguments, 0, "the first argument of $hash")?.as_bytes();
    let digest = match text(arguments, 1, "the second argument of $hash")? {
        "MD5" => md5::Md5::digest(data).to_vec(),
        "SHA-1" => sha1::Sha1::digest(data).to_vec(),
        "SHA-256" => sha2::Sha256::digest(data).to_vec(),
        "SHA-384" => sha2::Sha384::digest(data).to_vec(),
        "SHA-512" => sha2::Sha512::digest(data).to_vec(),
        other => return Err(failure(format!("$hash does not know the algorithm '{other}'"))),
    };
    let hexadecimal = digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(JValue::from(hexadecimal))
}

/// `$parse(json)`.
fn parse(arguments: &[JValue]) -> HostFnResult {
    let json = text(arguments, 0, "the argument of $parse")?;
    JValue::from_json_str(json).map_err(|error| failure(format!("the argument of $parse is not JSON: {error}")))
}

/// `$random()` or `$random(seed)`: at least 0 and less than 1; the same for the same seed.
fn random(arguments: &[JValue], dice: &mut ChaCha8Rng) -> HostFnResult {
    let drawn: f64 = match arguments.first() {
        None | Some(JValue::Undefined) => dice.random(),
        Some(_) => ChaCha8Rng::seed_from_u64(number(arguments, 0, "the argument of $random")?.to_bits()).random(),
    };
    Ok(JValue::from(drawn))
}

/// `$uuid()`: version 4.
fn uuid(dice: &mut ChaCha8Rng) -> JValue {
    let mut bytes = [0_u8; 16];
    dice.fill_bytes(&mut bytes);
    JValue::from(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// `$now()`, `$now(picture)`, `$now(picture, timezone)`: the pictures are those of `$fromMillis`, which does the work.
fn now_as_text(arguments: &[JValue], now: DateTime<Utc>) -> HostFnResult {
    if arguments.is_empty() {
        return Ok(JValue::from(now.to_rfc3339_opts(SecondsFormat::Millis, true)));
    }
    let tree = jsonata_core::parser::parse("$fromMillis($at, $picture, $timezone)")
        .map_err(|error| failure(error.to_string()))?;
    let mut context = Context::new();
    context.bind("at".to_owned(), JValue::from(now.timestamp_millis()));
    for (index, name) in ["picture", "timezone"].into_iter().enumerate() {
        context.bind(name.to_owned(), arguments.get(index).cloned().unwrap_or(JValue::Undefined));
    }
    Evaluator::with_context(context).evaluate(&tree, &JValue::Undefined)
}
