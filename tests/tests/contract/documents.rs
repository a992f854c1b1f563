//! Documents say what is true.

use crate::definition::tasks;
use crate::repository::{files, root, text};

#[test]
fn the_readme_shows_every_state() {
    let readme = text("README.md");
    for task in tasks() {
        assert!(readme.contains(&task.name), "README.md does not show the state {}", task.name);
    }
}

#[test]
fn the_architecture_fits_on_two_pages() {
    let lines = text("ARCHITECTURE.md").lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "local/SUPPORT.md"];
    let documents = documents.into_iter().map(str::to_owned).chain(files("docs", ".md"));
    for document in documents {
        let source = text(&document);
        let folder = root().join(&document).parent().expect("a folder").to_owned();
        for target in source.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(folder.join(path).exists(), "{document} links to {path}, which is not there");
        }
    }
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let mut numbers: Vec<usize> = files("docs/decisions", ".md")
        .iter()
        .map(|file| file["docs/decisions/".len()..][..4].parse().expect(file))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

#[test]
fn the_runbook_says_what_to_do_about_every_error() {
    let runbook = text("docs/operations.md");
    for code in shared::error::CODES {
        assert!(runbook.contains(&format!("`{code}`")), "docs/operations.md does not mention {code}");
    }
}

#[test]
fn the_runbook_says_what_every_alarm_means() {
    let (runbook, template) = (text("docs/operations.md"), text("template.yaml"));
    let names = template.lines().filter_map(|line| line.trim().strip_prefix("AlarmName: !Sub ${NamePrefix}"));
    let kinds: Vec<&str> = names
        .map(|name| if name.starts_with("pageviews-function-") { "pageviews-function-<function>" } else { name })
        .collect();
    assert!(!kinds.is_empty(), "the template has no alarms");
    for kind in kinds {
        assert!(runbook.contains(&format!("`{kind}`")), "docs/operations.md does not say what {kind} means");
    }
}
