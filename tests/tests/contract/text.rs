//! How the code reads: thin mains, stories at the head of modules, SQL in files.

use crate::repository::{files, functions, text};

/// The folders that hold code of ours.
const CODE: [&str; 6] = ["functions", "shared", "local", "tests/src", "tests/tests", "xtask"];

#[test]
fn every_module_opens_with_its_story() {
    for file in CODE.iter().flat_map(|folder| files(folder, ".rs")) {
        assert!(text(&file).starts_with("//!"), "{file} does not open with //!");
    }
}

#[test]
fn mains_of_functions_are_wiring() {
    for function in functions() {
        let file = format!("functions/{function}/src/main.rs");
        // A function of many modules names them here.
        let lines = text(&file).lines().filter(|line| !line.starts_with("mod ")).count();
        assert!(lines <= 15, "{file} has {lines} lines: what a state does belongs into handler.rs");
    }
}

#[test]
fn no_format_macro_builds_sql() {
    let words = ["select ", "insert ", "create table", "drop ", "msck ", "alter ", "merge "];
    for file in ["functions", "shared"].iter().flat_map(|folder| files(folder, ".rs")) {
        let source = text(&file).to_lowercase();
        let production = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in production.split("format!(").skip(1) {
            let argument = call.split(')').next().unwrap_or_default();
            assert!(!words.iter().any(|word| argument.contains(word)), "{file} builds SQL with format!: {argument}");
        }
    }
}

#[test]
fn every_function_but_those_on_the_catalog_keeps_its_sql_in_files() {
    let without = [
        "acquire-lease",
        "clean-up",
        "extract-load",
        "get-count",
        "incremental-load-step-4",
        "incremental-load-step-5",
        "janitor",
        "list-pageviews-files",
        "load-customers-partitions",
        "load-pageviews-partitions",
        "rollback",
        "summary",
    ];
    for function in functions().iter().filter(|name| !without.contains(&name.as_str())) {
        assert!(!files(&format!("functions/{function}/sql"), ".sql").is_empty(), "{function} has no sql/*.sql");
    }
}

#[test]
fn there_is_no_module_named_after_nothing() {
    for file in CODE.iter().flat_map(|folder| files(folder, ".rs")) {
        for name in ["utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "misc.rs", "manager.rs"] {
            assert!(!file.ends_with(&format!("/{name}")), "{file}: name it for what it is about");
        }
    }
}
