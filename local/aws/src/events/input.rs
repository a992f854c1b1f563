//! [`TargetInput`]: what a target gets of an event.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>

use std::collections::BTreeMap;

use serde_json::Value;

use super::{EventsError, JsonPath};

/// What a target gets of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetInput {
    /// The event itself.
    Event,
    /// A part of it: `InputPath`.
    Part(JsonPath),
    /// Always the same text: `Input`.
    Constant(String),
    /// A text with values of the event in it: `InputTransformer`.
    Template {
        /// The variables.
        paths: BTreeMap<String, JsonPath>,
        /// The text, with `<variable>` in it.
        template: String,
    },
}

/// The variables that every template has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved<'r> {
    pub(super) rule_arn: &'r str,
    pub(super) rule_name: &'r str,
    pub(super) ingestion_time: &'r str,
}

/// A variable's name, and what it begins with when it is reserved.
const RESERVED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event.json",
    "aws.events.event",
];

impl TargetInput {
    /// An input transformer.
    ///
    /// # Errors
    /// [`EventsError::Input`] for a path that cannot be followed or a variable that is not defined.
    pub fn transformer(paths: &BTreeMap<String, String>, template: &str) -> Result<Self, EventsError> {
        let paths: BTreeMap<String, JsonPath> = paths
            .iter()
            .map(|(name, path)| Ok((name.clone(), JsonPath::parse(path)?)))
            .collect::<Result<_, EventsError>>()?;
        for piece in pieces(template) {
            if let Piece::Variable { name, .. } = piece
                && !paths.contains_key(name)
                && !RESERVED.contains(&name)
            {
                return Err(EventsError::Input(format!("uses <{name}>, which its InputPathsMap does not define")));
            }
        }
        Ok(Self::Template { paths, template: template.to_owned() })
    }

    /// The text for the target.
    pub(super) fn of(&self, event: &Value, reserved: &Reserved<'_>) -> String {
        match self {
            Self::Event => event.to_string(),
            Self::Part(path) => path.get(event).map_or_else(|| "{}".to_owned(), Value::to_string),
            Self::Constant(text) => text.clone(),
            Self::Template { paths, template } => fill(paths, template, event, reserved),
        }
    }
}

/// A value between quotes is its text, as it is; elsewhere it is JSON. One that is not there leaves nothing behind.
fn fill(paths: &BTreeMap<String, JsonPath>, template: &str, event: &Value, reserved: &Reserved<'_>) -> String {
    let mut text = String::with_capacity(template.len());
    for piece in pieces(template) {
        let (name, quoted) = match piece {
            Piece::Text(verbatim) => {
                text.push_str(verbatim);
                continue;
            }
            Piece::Variable { name, quoted } => (name, quoted),
        };
        let value = match paths.get(name) {
            Some(path) => path.get(event).cloned(),
            None => reserved.get(name, event),
        };
        match value {
            None => {}
            Some(Value::String(value)) if quoted => text.push_str(&value),
            Some(value) => text.push_str(&value.to_string()),
        }
    }
    text
}

impl Reserved<'_> {
    fn get(&self, name: &str, event: &Value) -> Option<Value> {
        Some(match name {
            "aws.events.rule-arn" => self.rule_arn.into(),
            "aws.events.rule-name" => self.rule_name.into(),
            "aws.events.event.ingestion-time" => self.ingestion_time.into(),
            "aws.events.event.json" => event.clone(),
            "aws.events.event" => {
                let mut event = event.clone();
                event.as_object_mut()?.remove("detail");
                event
            }
            _ => return None,
        })
    }
}

enum Piece<'t> {
    Text(&'t str),
    Variable {
        name: &'t str,
        /// Whether it stands between quotes.
        quoted: bool,
    },
}

/// Splits a template at its variables. What is in `<>` but no name stays text.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut pieces = Vec::new();
    let (mut quoted, mut escaped, mut start, mut index) = (false, false, 0, 0);
    while let Some(c) = template[index..].chars().next() {
        let name = template[index..].strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(name, _)| name);
        if let Some(name) = name.filter(|name| !name.is_empty() && name.chars().all(named)) {
            pieces.push(Piece::Text(&template[start..index]));
            pieces.push(Piece::Variable { name, quoted });
            index += name.len() + 2;
            start = index;
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        index += c.len_utf8();
    }
    pieces.push(Piece::Text(&template[start..]));
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Reserved, TargetInput};

    fn filled(template: &str) -> String {
        let paths = [("instance", "$.detail.instance-id"), ("state", "$.detail.state"), ("gone", "$.detail.gone")];
        let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into();
        let event = json!({"id": "1", "detail": {"instance-id": "i-0", "state": "RUNNING"}});
        let reserved = Reserved { rule_arn: "arn:rule", rule_name: "example", ingestion_time: "now" };
        TargetInput::transformer(&paths, template).unwrap().of(&event, &reserved)
    }

    /// The examples of AWS's page.
    #[test]
    fn templates_are_filled_as_aws_shows() {
        let cases = [
            (r#""instance <instance> is in <state>""#, r#""instance i-0 is in RUNNING""#),
            (r#""instance \"<instance>\" is in <state>""#, r#""instance \"i-0\" is in RUNNING""#),
            (r#"{"instance" : <instance>, "state": "<state>"}"#, r#"{"instance" : "i-0", "state": "RUNNING"}"#),
            (r#"{"state": [ 9, <state>, true ]}"#, r#"{"state": [ 9, "RUNNING", true ]}"#),
            (r#""<aws.events.rule-name> triggered""#, r#""example triggered""#),
            (r#"{"event": <aws.events.event>}"#, r#"{"event": {"id":"1"}}"#),
            (r#""it has <gone>gone, 1 < 2 > 0""#, r#""it has gone, 1 < 2 > 0""#),
            ("\"one <state>\"\n\"two\"", "\"one RUNNING\"\n\"two\""),
        ];
        for (template, expected) in cases {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn an_undefined_variable_is_refused() {
        let error = TargetInput::transformer(&[].into(), r#""<nobody>""#).unwrap_err().to_string();
        assert!(error.contains("<nobody>"), "{error}");
        let reserved = Reserved { rule_arn: "", rule_name: "", ingestion_time: "" };
        let whole: Value = serde_json::from_str(&TargetInput::Event.of(&json!({"a": 1}), &reserved)).unwrap();
        assert_eq!(whole, json!({"a": 1}));
    }
}
