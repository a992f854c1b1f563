//! Parameters, conditions and intrinsic functions to plain values.
//!
//! Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::error::{Fault, Result, did_you_mean};
use super::globals;
use super::yaml::{Content, Node};
use super::{Deployment, attributes};

/// References deeper than this go round in a circle.
const DEEPEST: u32 = 64;

/// Gives the template's nodes their values.
pub(super) struct Resolver<'t> {
    root: &'t Node,
    pub(super) deployment: &'t Deployment,
    parameters: BTreeMap<String, Value>,
    depth: Cell<u32>,
}

impl<'t> Resolver<'t> {
    pub(super) fn new(root: &'t Node, deployment: &'t Deployment) -> Result<Self> {
        let parameters = parameters(root, deployment)?;
        Ok(Self { root, deployment, parameters, depth: Cell::new(0) })
    }

    /// The resources whose condition holds: logical name, type, node.
    pub(super) fn resources(&self) -> Result<Vec<(&'t str, &'t str, &'t Node)>> {
        let mut resources = Vec::new();
        for (name, node) in self.root.get("Resources").map_or(Ok(&[][..]), Node::entries)? {
            let here = |fault: Fault| fault.within(name).within("Resources");
            let kind = node.get("Type").ok_or_else(|| node.error("the Type is missing")).map_err(here)?;
            let wanted = match node.get("Condition") {
                Some(condition) => self.condition(condition.text().map_err(here)?, condition).map_err(here)?,
                None => true,
            };
            if wanted {
                resources.push((name.as_str(), kind.text().map_err(here)?, node));
            }
        }
        Ok(resources)
    }

    /// A resource's properties over the `Globals` of its kind.
    pub(super) fn properties(&self, kind: &str, resource: &Node) -> Node {
        let empty = Node::map(resource.line, Vec::new());
        let own = resource.get("Properties").unwrap_or(&empty);
        let global = globals::section(kind).and_then(|section| self.root.get("Globals")?.get(section));
        global.map_or_else(|| own.clone(), |global| globals::merge(global, own))
    }

    /// The value of a node; `None` is `AWS::NoValue`, as if it were not there.
    pub(super) fn value(&self, node: &Node) -> Result<Option<Value>> {
        if let Some((function, argument)) = node.call() {
            return self.call(function, argument).map_err(|fault| fault.within(function));
        }
        Ok(Some(match &node.content {
            Content::Scalar { text, plain: true } => plain(text),
            Content::Scalar { text, .. } => Value::String(text.clone()),
            Content::List(items) => Value::Array(self.values(items)?),
            Content::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    if let Some(value) = self.value(node).map_err(|fault| fault.within(key))? {
                        map.insert(key.clone(), value);
                    }
                }
                Value::Object(map)
            }
        }))
    }

    /// The text of a node's value; numbers and truth values as they are written.
    pub(super) fn text(&self, node: &Node) -> Result<Option<String>> {
        if let Content::Scalar { text, .. } = &node.content {
            return Ok(Some(text.clone()));
        }
        self.value(node)?.map(|value| text(node, &value)).transpose()
    }

    fn values(&self, items: &[Node]) -> Result<Vec<Value>> {
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.value(item).map_err(|fault| fault.within(&index.to_string())).transpose())
            .collect()
    }

    fn call(&self, function: &str, argument: &Node) -> Result<Option<Value>> {
        Ok(Some(match function {
            "Ref" => return self.reference(argument.text()?, argument),
            "Fn::If" => return self.choose(argument),
            "Fn::GetAtt" => match argument.items()? {
                [resource, attribute] => {
                    let attribute = self.required_text(attribute)?;
                    self.deeper(argument, || attributes::attribute(self, resource.text()?, &attribute, argument))?
                }
                _ => return Err(argument.error("a resource and its attribute are expected")),
            },
            "Fn::Sub" => Value::String(self.substitute(argument)?),
            "Fn::Join" => match argument.items()? {
                [separator, items] => {
                    let texts: Vec<String> =
                        self.list(items)?.iter().map(|item| text(items, item)).collect::<Result<_>>()?;
                    Value::String(texts.join(separator.text()?))
                }
                _ => return Err(argument.error("a separator and a list are expected")),
            },
            "Fn::Split" => match argument.items()? {
                [separator, whole] => {
                    let whole = self.required_text(whole)?;
                    Value::Array(whole.split(separator.text()?).map(Value::from).collect())
                }
                _ => return Err(argument.error("a separator and a text are expected")),
            },
            "Fn::Select" => self.select(argument)?,
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => Value::Bool(self.holds_call(function, argument)?),
            _ => return Err(argument.error(format!("{function} is not supported by the local deployment"))),
        }))
    }

    /// What `Ref` gives: a parameter, a pseudo parameter or a resource's own reference.
    fn reference(&self, name: &str, node: &Node) -> Result<Option<Value>> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        let deployment = self.deployment;
        let (region, account, stack) = (&deployment.region, &deployment.account, &deployment.stack_name);
        Ok(Some(Value::String(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => region.clone(),
            "AWS::AccountId" => account.clone(),
            "AWS::StackName" => stack.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{region}:{account}:stack/{stack}/local"),
            "AWS::NotificationARNs" => return Ok(Some(Value::Array(Vec::new()))),
            _ => return self.deeper(node, || attributes::reference(self, name, node)).map(Some),
        })))
    }

    /// The node and type of a resource.
    pub(super) fn resource(&self, name: &str, node: &Node) -> Result<(&'t str, &'t Node)> {
        let resource = self.root.get("Resources").and_then(|resources| resources.get(name));
        let resource = resource.ok_or_else(|| node.error(format!("there is no parameter or resource {name}")))?;
        let kind = resource.get("Type").ok_or_else(|| resource.error("the Type is missing"))?;
        Ok((kind.text()?, resource))
    }

    pub(super) fn deeper<T>(&self, node: &Node, step: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() >= DEEPEST {
            return Err(node.error("the references go round in a circle"));
        }
        self.depth.set(self.depth.get() + 1);
        let result = step();
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn substitute(&self, argument: &Node) -> Result<String> {
        let (template, own) = match &argument.content {
            Content::List(items) if items.len() == 2 => (&items[0], Some(&items[1])),
            _ => (argument, None),
        };
        let mut result = String::new();
        for piece in pieces(template)? {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Literal(name) => result.extend(["${", name, "}"]),
                Piece::Variable(name) => {
                    let value = match (own.and_then(|own| own.get(name)), name.split_once('.')) {
                        (Some(node), _) => self.value(node)?,
                        (None, Some((resource, attribute))) => {
                            Some(self.deeper(template, || attributes::attribute(self, resource, attribute, template))?)
                        }
                        (None, None) => self.reference(name, template)?,
                    };
                    let value = value.ok_or_else(|| template.error(format!("${{{name}}} has no value")))?;
                    result.push_str(&text(template, &value)?);
                }
            }
        }
        Ok(result)
    }

    fn choose(&self, argument: &Node) -> Result<Option<Value>> {
        match argument.items()? {
            [condition, yes, no] => self.value(if self.condition(condition.text()?, condition)? { yes } else { no }),
            _ => Err(argument.error("a condition and two values are expected")),
        }
    }

    fn select(&self, argument: &Node) -> Result<Value> {
        let [index, items] = argument.items()? else { return Err(argument.error("an index and a list are expected")) };
        let index = self.required_text(index)?;
        let items = self.list(items)?;
        let selected = index.parse::<usize>().ok().and_then(|index| items.get(index).cloned());
        selected.ok_or_else(|| argument.error(format!("the list of {} has no item {index}", items.len())))
    }

    fn find_in_map(&self, argument: &Node) -> Result<Value> {
        let keys: Vec<String> =
            argument.items()?.iter().take(3).map(|key| self.required_text(key)).collect::<Result<_>>()?;
        let found = keys.iter().try_fold(self.root.get("Mappings"), |node, key| Some(node?.get(key))).flatten();
        let found = found.ok_or_else(|| argument.error(format!("there is no mapping {}", keys.join("."))))?;
        self.value(found)?.ok_or_else(|| argument.error("a mapping's value is missing"))
    }

    /// Whether the condition of this name holds.
    fn condition(&self, name: &str, node: &Node) -> Result<bool> {
        let condition = self.root.get("Conditions").and_then(|conditions| conditions.get(name));
        let condition = condition.ok_or_else(|| node.error(format!("there is no condition {name}")))?;
        self.deeper(node, || self.holds(condition)).map_err(|fault| fault.within(name).within("Conditions"))
    }

    fn holds(&self, node: &Node) -> Result<bool> {
        if let Some(name) = node.get("Condition") {
            return self.condition(name.text()?, name);
        }
        match node.call() {
            Some((function, argument)) => self.holds_call(function, argument),
            None => Err(node.error("a condition is expected: Fn::Equals, Fn::Not, Fn::And, Fn::Or or Condition")),
        }
    }

    fn holds_call(&self, function: &str, argument: &Node) -> Result<bool> {
        let items = argument.items()?;
        match (function, items) {
            ("Fn::Equals", [left, right]) => Ok(self.required_text(left)? == self.required_text(right)?),
            ("Fn::Not", [one]) => Ok(!self.holds(one)?),
            ("Fn::And", _) => items.iter().try_fold(true, |all, item| Ok(all & self.holds(item)?)),
            ("Fn::Or", _) => items.iter().try_fold(false, |any, item| Ok(any | self.holds(item)?)),
            _ => Err(argument.error(format!("{function} is not a condition, or has too few or too many values"))),
        }
    }

    fn list(&self, node: &Node) -> Result<Vec<Value>> {
        match self.value(node)? {
            Some(Value::Array(items)) => Ok(items),
            // A CommaDelimitedList parameter is a list; anything else is not.
            _ => Err(node.error("a list is expected here")),
        }
    }

    pub(super) fn required_text(&self, node: &Node) -> Result<String> {
        self.text(node)?.ok_or_else(|| node.error("a value is needed here, and AWS::NoValue is none"))
    }
}

/// A part of a text for `Fn::Sub`.
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// `${!Name}`, which stays `${Name}`.
    Literal(&'a str),
    /// `${Name}` or `${Resource.Attribute}`.
    Variable(&'a str),
}

/// Takes a text for `Fn::Sub` apart.
pub(super) fn pieces(node: &Node) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = node.text()?;
    while let Some((before, after)) = rest.split_once("${") {
        pieces.push(Piece::Text(before));
        let (name, behind) = after.split_once('}').ok_or_else(|| node.error("a ${ has no closing }"))?;
        pieces.push(match name.strip_prefix('!') {
            Some(literal) => Piece::Literal(literal),
            None => Piece::Variable(name.trim()),
        });
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The values of all parameters: given, else default.
fn parameters(root: &Node, deployment: &Deployment) -> Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    let declared = root.get("Parameters").map_or(Ok(&[][..]), Node::entries)?;
    if let Some(unknown) = deployment.parameters.keys().find(|name| !declared.iter().any(|(known, _)| known == *name)) {
        let hint = did_you_mean(unknown, declared.iter().map(|(name, _)| name.as_str()));
        return Err(root.error(format!("the template has no parameter {unknown}{hint}")));
    }
    for (name, node) in declared {
        let value = parameter(name, node, deployment).map_err(|fault| fault.within(name).within("Parameters"))?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn parameter(name: &str, node: &Node, deployment: &Deployment) -> Result<Value> {
    let given = deployment.parameters.get(name).map(String::as_str);
    let default = node.get("Default").map(Node::text).transpose()?;
    let Some(value) = given.or(default) else {
        return Err(node.error(format!("it has no default: give it with --parameter {name}=VALUE")));
    };
    let kind = node.get("Type").map_or(Ok("String"), Node::text)?;
    if let Some(why) = refusal(node, kind, value)? {
        // The template's own sentence, as CloudFormation answers it.
        return Err(match node.get("ConstraintDescription").map(Node::text).transpose()? {
            Some(sentence) => node.error(format!("{value:?} is refused: it {}", sentence.trim_end_matches('.'))),
            None => node.error(why),
        });
    }
    let list = kind == "CommaDelimitedList" || kind.starts_with("List<");
    Ok(if list {
        Value::Array(value.split(',').map(|item| Value::from(item.trim())).collect())
    } else {
        Value::from(value)
    })
}

/// Why a parameter does not take a value.
///
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>
fn refusal(node: &Node, kind: &str, value: &str) -> Result<Option<String>> {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    if kind == "Number" && number.is_none() {
        return Ok(Some(format!("{value:?} is not a number")));
    }
    if let Some(allowed) = node.get("AllowedValues") {
        let allowed: Vec<&str> = allowed.items()?.iter().map(Node::text).collect::<Result<_>>()?;
        if !allowed.contains(&value) {
            return Ok(Some(format!("{value:?} is not one of its AllowedValues: {}", allowed.join(", "))));
        }
    }
    if let Some(pattern) = node.get("AllowedPattern") {
        let known = regex::Regex::new(&format!("^(?:{})$", pattern.text()?));
        let known = known.map_err(|error| pattern.error(format!("the AllowedPattern is not understood: {error}")))?;
        if !known.is_match(value) {
            return Ok(Some(format!("{value:?} does not match its AllowedPattern {}", known.as_str())));
        }
    }
    // The length of a text, the size of a number.
    #[expect(clippy::cast_precision_loss, reason = "a parameter has at most 4096 characters")]
    let limits = [("MinLength", value.chars().count() as f64), ("MaxLength", value.chars().count() as f64)];
    let limits = limits.into_iter().chain(number.into_iter().flat_map(|size| [("MinValue", size), ("MaxValue", size)]));
    for (limit, size) in limits {
        let Some(bound) = node.get(limit) else { continue };
        let known: f64 = bound.text()?.parse().map_err(|_| bound.error(format!("the {limit} is not a number")))?;
        if if limit.starts_with("Min") { size < known } else { size > known } {
            return Ok(Some(format!("{value:?} is beyond its {limit} {known}")));
        }
    }
    Ok(None)
}

/// What a scalar without quotes means. A number that would be written otherwise stays text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match text.parse::<Number>() {
            Ok(number) if number.to_string() == text => Value::Number(number),
            _ => Value::String(text.to_owned()),
        },
    }
}

fn text(node: &Node, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(node.error("a plain value is expected here, not a list or a map")),
    }
}
