//! [`Pattern`]: which events a rule is for.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use serde_json::Value;

use super::EventsError;

/// Which events a rule is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Fields);

/// Every field matches.
type Fields = Vec<(String, Field)>;

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// An object whose fields match.
    Object(Fields),
    /// A value that one of these accepts.
    OneOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(Value),
    Prefix(String),
    Suffix(String),
    IgnoringCase(String),
    AnythingBut(Vec<Value>),
    AnythingButPrefix(String),
    Exists(bool),
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    MoreOrEqual,
    More,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`EventsError::Pattern`] with the place of what EventBridge would refuse, or of an operator that is not supported.
    pub fn parse(pattern: &Value) -> Result<Self, EventsError> {
        fields(pattern, "").map(Self)
    }

    /// Whether the pattern is for this event.
    pub fn matches(&self, event: &Value) -> bool {
        all_match(&self.0, Some(event))
    }
}

fn fields(pattern: &Value, place: &str) -> Result<Fields, EventsError> {
    let Some(object) = pattern.as_object().filter(|object| !object.is_empty()) else {
        return Err(wrong(place, "must be an object with at least one field"));
    };
    object
        .iter()
        .map(|(key, value)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            let field = match value {
                _ if key.starts_with('$') => return Err(wrong(&place, "is an operator that is not supported here")),
                Value::Array(tests) if tests.is_empty() => return Err(wrong(&place, "must not be an empty list")),
                Value::Array(tests) => {
                    Field::OneOf(tests.iter().map(|one| test(one, &place)).collect::<Result<_, _>>()?)
                }
                Value::Object(_) => Field::Object(fields(value, &place)?),
                _ => return Err(wrong(&place, "must be a list of values or an object")),
            };
            Ok((key.clone(), field))
        })
        .collect()
}

fn test(one: &Value, place: &str) -> Result<Test, EventsError> {
    let object = match one {
        Value::Object(object) => object,
        Value::Array(_) => return Err(wrong(place, "must not hold a list in a list")),
        value => return Ok(Test::Is(value.clone())),
    };
    let mut operators = object.iter();
    let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
        return Err(wrong(place, "needs exactly one operator in each object"));
    };
    let unsupported = || wrong(place, &format!("uses {operator:?} with {operand}, which is not supported here"));
    match (operator.as_str(), operand) {
        ("prefix", Value::String(text)) => Ok(Test::Prefix(text.clone())),
        ("suffix", Value::String(text)) => Ok(Test::Suffix(text.clone())),
        ("equals-ignore-case", Value::String(text)) => Ok(Test::IgnoringCase(text.to_lowercase())),
        ("exists", Value::Bool(wanted)) => Ok(Test::Exists(*wanted)),
        ("anything-but", Value::Array(values)) if values.iter().all(is_scalar) && !values.is_empty() => {
            Ok(Test::AnythingBut(values.clone()))
        }
        ("anything-but", Value::Object(inner)) => match inner.get("prefix") {
            Some(Value::String(text)) if inner.len() == 1 => Ok(Test::AnythingButPrefix(text.clone())),
            _ => Err(unsupported()),
        },
        ("anything-but", value) if is_scalar(value) => Ok(Test::AnythingBut(vec![value.clone()])),
        ("numeric", Value::Array(parts)) => numeric(parts).ok_or_else(unsupported),
        _ => Err(unsupported()),
    }
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

/// `[">", 0, "<=", 5]`.
fn numeric(parts: &[Value]) -> Option<Test> {
    let comparisons: Option<Vec<_>> = parts
        .chunks(2)
        .map(|pair| {
            let [comparison, number] = pair else { return None };
            let comparison = match comparison.as_str()? {
                "<" => Comparison::Less,
                "<=" => Comparison::LessOrEqual,
                "=" => Comparison::Equal,
                ">=" => Comparison::MoreOrEqual,
                ">" => Comparison::More,
                _ => return None,
            };
            Some((comparison, number.as_f64()?))
        })
        .collect();
    comparisons.filter(|comparisons| !comparisons.is_empty()).map(Test::Numeric)
}

fn wrong(place: &str, what: &str) -> EventsError {
    if place.is_empty() {
        EventsError::Pattern(what.to_owned())
    } else {
        EventsError::Pattern(format!("is wrong at {place}: it {what}"))
    }
}

fn all_match(fields: &Fields, event: Option<&Value>) -> bool {
    fields.iter().all(|(key, field)| {
        let value = event.and_then(|event| event.get(key));
        match (field, value) {
            (Field::OneOf(tests), _) => tests.iter().any(|test| test.accepts(value)),
            // Of a list of objects one has to match.
            (Field::Object(fields), Some(Value::Array(values))) => {
                values.iter().any(|value| all_match(fields, Some(value)))
            }
            (Field::Object(fields), _) => all_match(fields, value),
        }
    })
}

impl Test {
    /// Of a list one value has to be accepted.
    fn accepts(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Exists(wanted), _) => *wanted == value.is_some(),
            (_, None) => false,
            (_, Some(Value::Array(values))) => values.iter().any(|value| self.accepts_one(value)),
            (_, Some(value)) => self.accepts_one(value),
        }
    }

    fn accepts_one(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Is(wanted) => same(wanted, value),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::IgnoringCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::AnythingBut(refused) => !refused.iter().any(|one| same(one, value)),
            Self::AnythingButPrefix(prefix) => !text.is_some_and(|text| text.starts_with(prefix)),
            Self::Exists(wanted) => *wanted,
            Self::Numeric(comparisons) => value
                .as_f64()
                .is_some_and(|number| comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Equal => same_number(number, bound),
            Self::MoreOrEqual => number >= bound,
            Self::More => number > bound,
        }
    }
}

/// 300 and 300.0 are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => same_number(left, right),
        _ => left == right,
    }
}

fn same_number(left: f64, right: f64) -> bool {
    left.total_cmp(&right).is_eq()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Pattern;

    fn matches(pattern: &Value) -> bool {
        let event = json!({
            "source": "aws.states", "resources": ["arn:one", "arn:two"],
            "detail": {"status": "FAILED", "count": 5, "none": null, "list": [{"a": 1}, {"a": 2}]},
        });
        Pattern::parse(pattern).unwrap().matches(&event)
    }

    #[test]
    fn operators_choose_events() {
        let yes = [
            json!({"source": ["aws.ec2", "aws.states"]}),
            json!({"source": [{"prefix": "aws."}], "detail": {"status": ["FAILED"]}}),
            json!({"source": [{"suffix": "states"}]}),
            json!({"source": [{"equals-ignore-case": "AWS.States"}]}),
            json!({"detail": {"status": [{"anything-but": ["RUNNING", "SUCCEEDED"]}]}}),
            json!({"detail": {"status": [{"anything-but": "RUNNING"}]}}),
            json!({"detail": {"status": [{"anything-but": {"prefix": "RUN"}}]}}),
            json!({"detail": {"count": [{"numeric": [">", 0, "<=", 5]}]}}),
            json!({"detail": {"count": [5.0]}}),
            json!({"detail": {"none": [null]}}),
            json!({"detail": {"gone": [{"exists": false}], "status": [{"exists": true}]}}),
            json!({"detail": {"gone": {"deeper": [{"exists": false}]}}}),
            json!({"detail": {"list": {"a": [2]}}}),
            json!({"resources": ["arn:two"]}),
        ];
        for pattern in yes {
            assert!(matches(&pattern), "{pattern}");
        }
        let no = [
            json!({"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}}),
            json!({"detail": {"gone": ["FAILED"]}}),
            json!({"detail": {"gone": [{"anything-but": "x"}]}}),
            json!({"detail": {"count": [{"numeric": ["<", 5]}]}}),
            json!({"detail": {"status": {"deeper": ["x"]}}}),
            json!({"resources": [{"prefix": "arn:three"}]}),
        ];
        for pattern in no {
            assert!(!matches(&pattern), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused_by_name() {
        let cases = [
            (json!({}), "at least one field"),
            (json!({"source": "aws.states"}), "at source"),
            (json!({"source": []}), "empty list"),
            (json!({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}), "\"cidr\""),
            (json!({"detail": {"x": [{"wildcard": "a*"}]}}), "\"wildcard\""),
            (json!({"$or": [{"a": [1]}]}), "$or"),
            (json!({"a": [{"numeric": [">"]}]}), "\"numeric\""),
            (json!({"a": [{"prefix": "x", "suffix": "y"}]}), "exactly one operator"),
        ];
        for (pattern, expected) in cases {
            let error = Pattern::parse(&pattern).unwrap_err().to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }
}
