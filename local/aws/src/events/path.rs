//! [`JsonPath`]: where in an event a value is: `$.detail.name`, `$.resources[0]`.
//!
//! The part of JSON path that EventBridge knows, but for wildcards:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>

use serde_json::Value;

use super::EventsError;

/// A place in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`EventsError::Input`] for anything but keys and indexes behind `$`.
    pub fn parse(text: &str) -> Result<Self, EventsError> {
        let wrong = || EventsError::Input(format!("has the path {text:?}: only $.key and [index] are supported here"));
        let rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        for part in rest.split('.').skip(usize::from(rest.starts_with('.'))).filter(|_| !rest.is_empty()) {
            let (key, indexes) = part.split_once('[').map_or((part, None), |(key, rest)| (key, Some(rest)));
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
            match key {
                "" if steps.is_empty() && indexes.is_some() => {}
                "" => return Err(wrong()),
                key if key.chars().all(allowed) => steps.push(Step::Key(key.to_owned())),
                _ => return Err(wrong()),
            }
            for index in indexes.iter().flat_map(|text| text.split('[')) {
                let number = index.strip_suffix(']').and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
                steps.push(Step::Index(number));
            }
        }
        Ok(Self(steps))
    }

    /// The value at the place, if it is there.
    pub fn get<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(event, |value, step| match step {
            Step::Key(key) => value.as_object()?.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::JsonPath;

    #[test]
    fn keys_and_indexes_lead_to_values() {
        let event = json!({"detail": {"instance-id": "i-1", "list": [[1, 2]]}, "resources": ["arn"]});
        let cases = [
            ("$", Some(&event)),
            ("$.detail.instance-id", Some(&event["detail"]["instance-id"])),
            ("$.detail.list[0][1]", Some(&event["detail"]["list"][0][1])),
            ("$.resources[0]", Some(&event["resources"][0])),
            ("$.resources[1]", None),
            ("$.detail.nothing.here", None),
        ];
        for (path, expected) in cases {
            assert_eq!(JsonPath::parse(path).unwrap().get(&event), expected, "{path}");
        }
        for path in ["", "detail", "$.", "$..x", "$.a[*]", "$.a[x", "$['a']", "$x y"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
