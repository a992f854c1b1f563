//! Every name that the template mentions must exist, also in the parts that are not run on this machine.

use std::collections::BTreeSet;

use super::error::{Fault, Result, did_you_mean};
use super::resolver::{Piece, pieces};
use super::yaml::{Content, Node};

/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];
/// Sections in which references stand.
const SECTIONS: [&str; 4] = ["Conditions", "Globals", "Resources", "Outputs"];

/// The names that a template defines.
struct Names<'t> {
    /// Parameters, resources and pseudo parameters: what `Ref` takes.
    values: BTreeSet<&'t str>,
    /// Roles that SAM makes: `MyFunctionRole`.
    generated: BTreeSet<String>,
    conditions: BTreeSet<&'t str>,
    mappings: BTreeSet<&'t str>,
}

/// Finds the first reference to something that the template does not define.
pub(super) fn check(root: &Node) -> Result<()> {
    let names = Names::collect(root)?;
    for section in SECTIONS {
        if let Some(node) = root.get(section) {
            for (key, node) in node.entries()? {
                let here = |fault: Fault| fault.within(key).within(section);
                names.check(node).map_err(here)?;
                if section == "Resources" {
                    names.check_resource(node).map_err(here)?;
                }
            }
        }
    }
    Ok(())
}

impl<'t> Names<'t> {
    fn collect(root: &'t Node) -> Result<Self> {
        let keys = |section: &str| -> Result<BTreeSet<&'t str>> {
            let Some(node) = root.get(section) else { return Ok(BTreeSet::new()) };
            Ok(node.entries()?.iter().map(|(key, _)| key.as_str()).collect())
        };
        let resources = keys("Resources")?;
        let generated = resources.iter().map(|name| format!("{name}Role")).collect();
        let mut values = keys("Parameters")?;
        values.extend(resources);
        values.extend(PSEUDO_PARAMETERS);
        Ok(Self { values, generated, conditions: keys("Conditions")?, mappings: keys("Mappings")? })
    }

    /// A resource's own `Condition` and `DependsOn`.
    fn check_resource(&self, resource: &Node) -> Result<()> {
        if let Some(condition) = resource.get("Condition") {
            self.check_condition(condition).map_err(|fault| fault.within("Condition"))?;
        }
        let Some(depends) = resource.get("DependsOn") else { return Ok(()) };
        let one = std::slice::from_ref(depends);
        let all = if let Content::List(items) = &depends.content { items.as_slice() } else { one };
        all.iter().try_for_each(|name| self.check_value(name, name.text()?).map_err(|fault| fault.within("DependsOn")))
    }

    /// Walks down from `node`.
    fn check(&self, node: &Node) -> Result<()> {
        if let Some((function, argument)) = node.call() {
            self.check_call(function, argument).map_err(|fault| fault.within(function))?;
        }
        match &node.content {
            Content::Scalar { .. } => Ok(()),
            Content::List(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.check(item).map_err(|fault| fault.within(&index.to_string()))),
            Content::Map(entries) => {
                entries.iter().try_for_each(|(key, value)| self.check(value).map_err(|fault| fault.within(key)))
            }
        }
    }

    fn check_call(&self, function: &str, argument: &Node) -> Result<()> {
        match function {
            "Ref" => self.check_value(argument, argument.text()?),
            "Fn::GetAtt" => match argument.items()? {
                [resource, _, ..] => self.check_value(resource, resource.text()?),
                _ => Err(argument.error("a resource and its attribute are expected: Resource.Attribute")),
            },
            "Fn::Sub" => self.check_sub(argument),
            "Fn::If" => match argument.items()? {
                [condition, _, _] => self.check_condition(condition),
                _ => Err(argument.error("a condition and two values are expected")),
            },
            "Fn::FindInMap" => match argument.items()? {
                [map, _, _, ..] if map.call().is_none() && !self.mappings.contains(map.text()?) => {
                    Err(map.error(format!("there is no mapping {}", map.text()?)))
                }
                [_, _, _, ..] => Ok(()),
                _ => Err(argument.error("a mapping and two keys are expected")),
            },
            _ => Ok(()),
        }
    }

    fn check_sub(&self, argument: &Node) -> Result<()> {
        let (text, own) = match &argument.content {
            Content::List(items) => match items.as_slice() {
                [text, own] => (text, Some(own)),
                _ => return Err(argument.error("a text and a map of its variables are expected")),
            },
            _ => (argument, None),
        };
        for piece in pieces(text)? {
            if let Piece::Variable(name) = piece
                && own.is_none_or(|own| own.get(name).is_none())
            {
                self.check_value(text, name.split('.').next().unwrap_or(name))?;
            }
        }
        Ok(())
    }

    fn check_value(&self, node: &Node, name: &str) -> Result<()> {
        if self.values.contains(name) || self.generated.contains(name) {
            return Ok(());
        }
        let hint = did_you_mean(name, self.values.iter().copied());
        Err(node.error(format!("there is no parameter or resource {name}{hint}")))
    }

    fn check_condition(&self, node: &Node) -> Result<()> {
        let name = node.text()?;
        if self.conditions.contains(name) {
            return Ok(());
        }
        let hint = did_you_mean(name, self.conditions.iter().copied());
        Err(node.error(format!("there is no condition {name}{hint}")))
    }
}
