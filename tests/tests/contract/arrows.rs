//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::{functions, packages, text};

/// Package → its direct dependencies; `dev` says whether those of its tests count.
fn dependencies(dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    packages()
        .iter()
        .map(|package| {
            let direct = package["dependencies"].as_array().expect("dependencies").iter();
            (name(package), direct.filter(|one| dev || one["kind"] != "dev").map(name).collect())
        })
        .collect()
}

fn is_local(name: &str) -> bool {
    name.starts_with("local-") || name == "pageviews"
}

#[test]
fn functions_stand_on_shared_alone() {
    let graph = dependencies(true);
    let functions = functions();
    for (package, direct) in graph.iter().filter(|(name, _)| functions.contains(*name) || *name == "shared") {
        for dependency in direct {
            assert!(!functions.contains(dependency), "{package} depends on the function {dependency}");
            assert!(!is_local(dependency), "{package} is production and depends on {dependency}");
        }
    }
}

#[test]
fn what_both_sides_know_of_csv_is_a_leaf() {
    let direct = &dependencies(false)["schema"];
    let pure = ["memchr", "serde", "simdutf8"];
    for dependency in direct {
        assert!(pure.contains(&dependency.as_str()), "schema depends on {dependency}: it is a leaf without IO");
    }
}

#[test]
fn the_local_cloud_knows_nothing_of_production() {
    let functions = functions();
    for (package, direct) in dependencies(true).iter().filter(|(name, _)| is_local(name)) {
        for dependency in direct {
            assert!(
                dependency != "shared" && !functions.contains(dependency),
                "{package} depends on {dependency}: the wire is the contract, else the emulation is tested against itself"
            );
        }
    }
}

#[test]
fn local_crates_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("local-asl", &[][..]),
        ("local-engine", &[]),
        ("local-aws", &["local-asl", "local-engine"]),
        ("pageviews", &["local-asl", "local-aws", "local-engine"]),
    ]);
    for (package, direct) in dependencies(false).iter().filter(|(name, _)| is_local(name)) {
        for dependency in direct.iter().filter(|name| is_local(name)) {
            assert!(allowed[package.as_str()].contains(&dependency.as_str()), "{package} depends on {dependency}");
        }
    }
}

#[test]
fn the_engine_alone_knows_arrow_datafusion_and_iceberg() {
    for (package, direct) in dependencies(false).iter().filter(|(name, _)| *name != "local-engine") {
        for dependency in direct {
            let engine = ["arrow", "parquet", "datafusion", "iceberg"].iter().any(|one| dependency.starts_with(one));
            assert!(!engine, "{package} depends on {dependency}");
        }
    }
}

#[test]
fn the_interpreter_reaches_nothing_outside_itself() {
    for dependency in &dependencies(false)["local-asl"] {
        let outside = ["aws-", "hyper", "axum", "reqwest", "rusqlite", "http"];
        assert!(!outside.iter().any(|one| dependency.starts_with(one)), "local-asl depends on {dependency}");
    }
}

#[test]
fn one_service_never_imports_another() {
    let services = ["athena", "glue", "lambda", "s3", "states"];
    for service in services {
        for file in crate::repository::files(&format!("local/aws/src/{service}"), ".rs") {
            let source = text(&file);
            for other in services.iter().filter(|other| **other != service) {
                assert!(!source.contains(&format!("crate::{other}")), "{file} imports the service {other}");
            }
        }
    }
}

#[test]
fn there_is_one_arrow_one_datafusion_and_one_iceberg() {
    let lock = text("Cargo.lock");
    for name in ["arrow", "parquet", "datafusion", "iceberg", "sqlparser"] {
        let copies = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(copies, 1, "Cargo.lock holds {copies} versions of {name}");
    }
}

#[test]
fn versions_stand_once_in_the_root_manifest() {
    for package in packages() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let source = std::fs::read_to_string(manifest).expect("a manifest");
        let (_, dependencies) = source.split_once("dependencies]").unwrap_or(("", ""));
        assert!(
            !dependencies.contains("version = "),
            "{manifest} names a version: put it into [workspace.dependencies]"
        );
    }
}
