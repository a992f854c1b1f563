//! SAM's `Globals`: properties that every resource of a kind starts from.
//!
//! Maps are merged, lists joined (global items first), and the resource's plain value replaces the global one.
//! Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html>

use super::yaml::{Content, Node};

/// The section of `Globals` for a resource type.
pub(super) fn section(resource_type: &str) -> Option<&'static str> {
    match resource_type {
        "AWS::Serverless::Function" => Some("Function"),
        "AWS::Serverless::StateMachine" => Some("StateMachine"),
        _ => None,
    }
}

/// `own` over `global`. A call of an intrinsic function is a plain value here.
pub(super) fn merge(global: &Node, own: &Node) -> Node {
    if global.call().is_some() || own.call().is_some() {
        return own.clone();
    }
    match (&global.content, &own.content) {
        (Content::Map(global), Content::Map(entries)) => {
            let mut merged: Vec<(String, Node)> = global
                .iter()
                .map(|(key, value)| (key.clone(), own.get(key).map_or_else(|| value.clone(), |own| merge(value, own))))
                .collect();
            let added = entries.iter().filter(|(key, _)| !global.iter().any(|(known, _)| known == key));
            merged.extend(added.cloned());
            Node::map(own.line, merged)
        }
        (Content::List(global), Content::List(items)) => {
            Node { line: own.line, content: Content::List(global.iter().chain(items).cloned().collect()) }
        }
        _ => own.clone(),
    }
}
