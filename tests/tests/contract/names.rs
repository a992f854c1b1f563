//! One name for one thing: state ↔ folder ↔ package ↔ binary ↔ resource ↔ substitution ↔ event fixture.

use std::collections::BTreeSet;
use std::path::Path;

use crate::definition::tasks;
use crate::repository::{entries, functions, json, packages, root, text};

/// `incremental-load-step-1` → `IncrementalLoadStep1Function`.
fn resource(function: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    function.split('-').map(capital).collect::<String>() + "Function"
}

/// `Incremental Load Step 1` → `incremental-load-step-1`.
fn folder(state: &str) -> String {
    state.to_lowercase().replace(' ', "-")
}

/// A resource's own lines of the template; empty if there is none.
fn lines_of(resource: &str) -> String {
    let template = text("template.yaml");
    let (_, rest) = template.split_once(&format!("\n  {resource}:\n")).unwrap_or_default();
    rest.split("\n\n").next().unwrap_or_default().to_owned()
}

/// The functions that no state invokes: their resources say which events start them, or that an operator does.
fn started_otherwise() -> BTreeSet<String> {
    let is_other = |lines: &str| lines.contains("\n      Events:\n") || lines.contains("an operator invokes it");
    functions().into_iter().filter(|function| is_other(&lines_of(&resource(function)))).collect()
}

#[test]
fn every_task_state_has_its_function_and_every_function_its_state() {
    let states: BTreeSet<String> = tasks().iter().map(|task| folder(&task.name)).collect();
    let invoked = &functions() - &started_otherwise();
    assert_eq!(states, invoked, "task states (left) and folders below functions/ (right) differ");
}

#[test]
fn package_and_binary_are_named_like_their_folder() {
    let functions_folder = root().join("functions");
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path")).to_owned();
        let folder = manifest.parent().expect("a folder");
        if folder.parent() != Some(&functions_folder) {
            continue;
        }
        let folder = folder.file_name().expect("a name").to_string_lossy();
        assert_eq!(package["name"], *folder, "{}", manifest.display());
        let targets = package["targets"].as_array().expect("targets");
        let binaries: Vec<_> = targets.iter().filter(|target| target["kind"][0] == "bin").collect();
        assert_eq!(binaries.len(), 1, "{folder} has one binary");
        assert_eq!(binaries[0]["name"], *folder);
    }
}

#[test]
fn every_function_has_an_event_fixture() {
    let is_fixture = |path: &Path| path.extension().is_some_and(|kind| kind == "json") && !path.ends_with("env.json");
    assert_eq!(entries("events", is_fixture), functions(), "events/ (left) and functions/ (right) differ");
}

#[test]
fn fixtures_are_what_the_state_machine_sends() {
    for task in tasks() {
        let fixture = json(&format!("events/{}.json", folder(&task.name)));
        let keys =
            |value: &serde_json::Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&fixture), keys(&task.state["Arguments"]["Payload"]), "the fixture of {}", task.name);
        assert_eq!(fixture["state"], *task.name, "the fixture of {}", task.name);
    }
}

#[test]
fn every_function_is_deployed_from_its_folder_and_substituted_into_the_definition() {
    let template = text("template.yaml");
    let definition = text("statemachine/page_views_transform.asl.json");
    for function in functions() {
        let resource = resource(&function);
        assert!(template.contains(&format!("\n  {resource}:\n")), "template.yaml has no resource {resource}");
        assert!(
            template.contains(&format!("CodeUri: functions/{function}/\n")),
            "{resource} is not built from its folder"
        );
        if started_otherwise().contains(&function) {
            continue;
        }
        let substitution = format!("{resource}Arn");
        assert!(
            template.contains(&format!("{substitution}: !GetAtt {resource}.Arn")),
            "the state machine in template.yaml does not substitute {substitution}"
        );
        assert!(definition.contains(&format!("\"${{{substitution}}}\"")), "the definition does not use {substitution}");
    }
}

#[test]
fn variables_that_a_function_reads_are_those_that_the_template_sets() {
    let template = text("template.yaml");
    for function in functions() {
        // What `env!` reads, cargo sets while it compiles.
        let source = text(&format!("functions/{function}/src/handler.rs")).replace("env!(\"OUT_DIR\")", "");
        let Some(start) = template.find(&format!("CodeUri: functions/{function}/\n")) else { continue };
        let resource = template[start..].split("\n\n").next().unwrap_or_default();
        for variable in quoted_upper_case(&source) {
            assert!(resource.contains(&variable), "{function} reads {variable}, which its resource does not set");
        }
    }
}

/// The `"UPPER_CASE"` string literals that are arguments of a variable lookup.
fn quoted_upper_case(source: &str) -> BTreeSet<String> {
    let production = source.split("#[cfg(test)]").next().unwrap_or_default();
    let literals = production.split('"').skip(1).step_by(2);
    let is_variable = |text: &&str| {
        text.len() > 4
            && text.contains('_')
            && text.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
    };
    literals.filter(is_variable).map(str::to_owned).collect()
}
