//! YAML with CloudFormation's tags, as a tree of nodes that know their line.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::{Fault, Result};

/// A function's short tag is its name without `Fn::`.
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>
const FUNCTION_TAGS: [&str; 16] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
];

/// A value of the template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Text as written; `plain` when without quotes, so that `true`, `3` and nothing have their YAML meaning.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn map(line: usize, entries: Vec<(String, Self)>) -> Self {
        Self { line, content: Content::Map(entries) }
    }

    /// The value under `key`, when this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Content::Map(entries) = &self.content else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> Result<&[(String, Self)]> {
        match &self.content {
            Content::Map(entries) => Ok(entries),
            Content::Scalar { text, plain: true } if text.is_empty() => Ok(&[]),
            _ => Err(self.error("a map of names to values is expected here")),
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<&[Self]> {
        match &self.content {
            Content::List(items) => Ok(items),
            _ => Err(self.error("a list is expected here")),
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Result<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Ok(text),
            _ => Err(self.error("a plain value is expected here")),
        }
    }

    /// The name and argument when this is a call of an intrinsic function: a map of one entry, `Ref` or `Fn::…`.
    pub(super) fn call(&self) -> Option<(&str, &Self)> {
        match &self.content {
            Content::Map(entries) => match entries.as_slice() {
                [(name, argument)] if name == "Ref" || name.starts_with("Fn::") => Some((name, argument)),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.line, message)
    }
}

/// Parses a template of one document.
pub(super) fn parse(text: &str) -> Result<Node> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: BTreeMap::new() };
    reader.document()
}

/// Builds nodes from the parser's events.
struct Reader<P> {
    events: P,
    /// Nodes that `*name` may repeat.
    anchors: BTreeMap<usize, Node>,
}

impl<'input, P: Iterator<Item = std::result::Result<(Event<'input>, Span), ScanError>>> Reader<P> {
    fn document(&mut self) -> Result<Node> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => return root.ok_or_else(|| Fault::new(1, "the template is empty")),
                other if root.is_none() => root = Some(self.node(other, line)?),
                _ => return Err(Fault::new(line, "a template is one YAML document, and a second one begins here")),
            }
        }
    }

    /// The next event that is not a comment, and its line.
    fn next(&mut self) -> Result<(Event<'input>, usize)> {
        loop {
            match self.events.next() {
                None => return Ok((Event::StreamEnd, 1)),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok((event, span.start.line())),
                Some(Err(error)) => return Err(Fault::new(error.marker().line(), error.info())),
            }
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'input>, line: usize) -> Result<Node> {
        let (content, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| Fault::new(line, "an alias cannot stand inside the value that it names"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (Content::Scalar { text: text.into_owned(), plain }, anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (self.list()?, anchor, tag),
            Event::MappingStart(_, anchor, tag) => (self.entries()?, anchor, tag),
            other => return Err(Fault::new(line, format!("a value is expected here, not {other:?}"))),
        };
        let node = match tag {
            Some(tag) => tagged(&tag, Node { line, content })?,
            None => Node { line, content },
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Content> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, line) => items.push(self.node(event, line)?),
            }
        }
    }

    fn entries(&mut self) -> Result<Content> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key = self.node(event, line)?.text()?.to_owned();
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(Fault::new(line, format!("{key} is given twice")));
            }
            let (event, line) = self.next()?;
            entries.push((key, self.node(event, line)?));
        }
    }
}

/// A node with CloudFormation's short tag, in the long form.
fn tagged(tag: &Tag, node: Node) -> Result<Node> {
    let line = node.line;
    let name = tag.suffix();
    if tag.is_yaml_core_schema() {
        return Ok(match node.content {
            Content::Scalar { text, .. } if name == "str" => {
                Node { line, content: Content::Scalar { text, plain: false } }
            }
            content => Node { line, content },
        });
    }
    match name {
        "Ref" | "Condition" => Ok(Node::map(line, vec![(name.to_owned(), node)])),
        "GetAtt" => Ok(Node::map(line, vec![("Fn::GetAtt".to_owned(), attribute(node))])),
        _ if FUNCTION_TAGS.contains(&name) => Ok(Node::map(line, vec![(format!("Fn::{name}"), node)])),
        _ => Err(Fault::new(line, format!("!{name} is not one of CloudFormation's functions that are supported here"))),
    }
}

/// `Resource.Attribute` as the list that the long form has.
fn attribute(node: Node) -> Node {
    let line = node.line;
    let scalar = |text: &str| Node { line, content: Content::Scalar { text: text.to_owned(), plain: false } };
    match &node.content {
        Content::Scalar { text, .. } => match text.split_once('.') {
            Some((resource, attribute)) => {
                Node { line, content: Content::List(vec![scalar(resource), scalar(attribute)]) }
            }
            None => node,
        },
        _ => node,
    }
}
