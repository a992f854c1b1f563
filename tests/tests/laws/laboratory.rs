//! [`Laboratory`]: a local cloud in which things go wrong as planned, its raw files, and what its table must be.

use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_glue::operation::get_tables::GetTablesError;
use chrono::{Days, NaiveDate};
use pageviews::recompute::DailyViews;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Cloud, Deployment, Execution};

use crate::definition::Definition;
use crate::recomputation::{assert_output_equals, output};

/// State machines pause for a hundredth of what `Retry` says: the longest pause, a minute, becomes less than a second.
const PAUSE_SCALE: &str = "0.01";
/// The first day of the raw files.
const FIRST_DAY: (i32, u32, u32) = (2026, 1, 1);
/// Views in the raw files of the first load, and of each later day.
const VIEWS: (u64, u64) = (300, 120);

/// Everything that an experiment needs.
pub struct Laboratory {
    pub cloud: Cloud,
    raw: TempDir,
    /// Of raw data, so far.
    days: u64,
    seed: u64,
}

/// A call that the local cloud saw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Call {
    pub state: Option<String>,
    pub caller: String,
    /// `athena:StartQueryExecution`.
    #[serde(rename = "call")]
    pub operation: String,
    pub ordinal: u64,
}

/// A fault that the local cloud injected.
#[derive(Debug, Clone, Deserialize)]
pub struct Injection {
    fault: Value,
    #[serde(flatten)]
    pub to: Call,
}

impl Injection {
    /// `drop_after`, `kill_function before`, `delay`.
    pub fn kind(&self) -> String {
        match self.fault.as_object().and_then(|fault| fault.iter().next()) {
            Some((name, how)) => format!("{name} {}", how.as_str().unwrap_or_default()).trim().to_owned(),
            None => self.fault.as_str().unwrap_or_default().to_owned(),
        }
    }
}

impl Call {
    /// Whether a function makes it, of any service but Lambda itself.
    pub fn is_by_function(&self) -> bool {
        self.caller != "step-functions" && !self.operation.starts_with("runtime:")
    }

    /// Whether it asks once more, after `asked` times, how a query stands.
    pub fn is_poll(&self, asked: u64) -> bool {
        self.operation == "athena:GetQueryExecution" && self.ordinal > asked
    }

    /// Whether it does more than read.
    pub fn changes_something(&self) -> bool {
        let operation = self.operation.split(':').next_back().unwrap_or_default();
        !["Get", "List", "Head", "BatchGet", "Describe"].iter().any(|reads| operation.starts_with(reads))
    }
}

/// One run of the state machine in the story that all laws tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    pub name: &'static str,
    pub input: Value,
}

/// The runs by which every state is entered that is entered when nothing fails.
pub fn story() -> Vec<Chapter> {
    let chapter = |name, input| Chapter { name, input };
    let mut story = vec![
        chapter("full load", json!({})),
        chapter("incremental refresh", json!({})),
        chapter("full refresh", json!({"full_refresh": true})),
    ];
    if Definition::read().knows_merge() {
        story.push(chapter("merge", json!({"refresh": "merge"})));
    }
    story
}

impl Laboratory {
    pub async fn open() -> Self {
        Self::open_with_seed(0).await
    }

    /// With other raw files.
    pub async fn open_with_seed(seed: u64) -> Self {
        let arguments = ["--pause-scale", PAUSE_SCALE, "--retry-delay", "0"].map(str::to_owned);
        let cloud = Cloud::deploy(Deployment { arguments: arguments.into(), ..Deployment::default() }).await;
        Self { cloud, raw: TempDir::new().expect("a temporary folder"), days: 0, seed }
    }

    /// Puts the next raw files: three days at first, one more each time; its customers come along.
    pub async fn next_data(&mut self) {
        let (days, views) = if self.days == 0 { (3, VIEWS.0) } else { (1, VIEWS.1) };
        let (year, month, day) = FIRST_DAY;
        let first = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
        let start = first.checked_add_days(Days::new(self.days)).expect("a date");
        let part = TempDir::new().expect("a temporary folder");
        let made = Cloud::command()
            .args(["generate", "--customers", "60", "--seed", &(self.seed + self.days).to_string()])
            .args(["--start", &start.to_string(), "--days", &days.to_string(), "--views", &views.to_string(), "--out"])
            .arg(part.path())
            .output()
            .expect("pageviews generates");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.days += days;
        if self.days > days {
            // Customers stay as they were: an incremental refresh does not compute former days again.
            std::fs::remove_dir_all(part.path().join("customers")).expect("generated customers");
        }
        self.cloud.put_raw(part.path()).await;
        copy(part.path(), self.raw.path());
    }

    /// Follows a plan from now on; with no rules, nothing goes wrong.
    pub fn plan(&self, seed: u64, rules: &[Value], record: bool) {
        let plan = json!({"seed": seed, "rules": rules});
        self.cloud.call("LocalCloud.PutFaults", &json!({"Plan": plan, "Record": record}));
    }

    /// What was injected since the plan was given, and all calls if they were recorded.
    pub fn told(&self) -> (Vec<Injection>, Vec<Call>) {
        let told = self.cloud.call("LocalCloud.ListFaults", &json!({}));
        let injected = serde_json::from_value(told["Injected"].clone()).expect("injections");
        let calls = serde_json::from_value(told["Calls"].clone()).expect("calls");
        (injected, calls)
    }

    /// Runs the state machine, well or not.
    pub async fn run(&self, input: &Value) -> Execution {
        self.cloud.run(input).await
    }

    /// What the table must be when it is up to date.
    pub fn expected(&self) -> DailyViews {
        DailyViews::from_raw_zone(self.raw.path()).expect("a sound raw zone")
    }

    /// A new process on the same data directory, after the old one has died.
    pub async fn restart(self) -> Self {
        Self { cloud: self.cloud.kill_and_restart().await, ..self }
    }

    /// Panics unless the table is what the raw files say.
    pub async fn assert_right(&self) {
        assert_output_equals(&self.cloud, self.raw.path()).await;
    }

    /// Which version the output is, and its rows; no version when there is no table or nothing in it.
    pub async fn version(&self) -> Option<(String, DailyViews)> {
        let table = self.cloud.glue().get_table().database_name("appdb").name("pageviews_daily").send().await;
        let parameters = table.ok()?.table?.parameters.unwrap_or_default();
        let rows = output(&self.cloud).await;
        (rows.rows() > 0).then(|| (parameters["metadata_location"].clone(), rows))
    }

    /// The tables that the catalog has beside those that a run leaves behind.
    pub async fn leftovers(&self) -> BTreeSet<String> {
        const LASTING: [&str; 5] = ["customers", "pageviews", "pageviews_daily", "pageviews_daily_previous", "rejects"];
        let tables = match self.cloud.glue().get_tables().database_name("appdb").send().await {
            Err(error) if error.as_service_error().is_some_and(GetTablesError::is_entity_not_found_exception) => {
                return BTreeSet::new();
            }
            tables => tables.expect("tables"),
        };
        let names = tables.table_list().iter().map(|table| table.name().to_owned());
        names.filter(|name| !LASTING.contains(&name.as_str())).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    for (name, path) in tests::files(from) {
        let target = to.join(name);
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        std::fs::copy(path, target).expect("a copied file");
    }
}
