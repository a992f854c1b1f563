//! Bad input: one clear error each, the right exit code, and everything left as it was.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

const HEADER: &str = "view_id,customer_id,url,viewed_at\n";
const ROW: &str = "1,7,https://shop.example.com/,2026-01-31 10:00:00\n";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `pageviews` in a folder of its own.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pageviews"));
        command.args(arguments).current_dir(self.folder.path());
        for variable in ["ENDPOINT", "DATA_DIR", "FUNCTIONS", "LAMBDA_ENDPOINT"] {
            command.env_remove(format!("PAGEVIEWS_{variable}"));
        }
        command.env("PAGEVIEWS_TEMPLATE", project().join("template.yaml"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must fail, and gives its one error.
    fn error(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        error.trim_end().to_owned()
    }

    /// Programs that are never invoked.
    fn stand_ins(&self) -> String {
        for package in fs::read_dir(project().join("functions")).unwrap() {
            let name = package.unwrap().file_name().into_string().unwrap();
            self.write(&format!("programs/{name}"), "");
        }
        self.path("programs").to_str().unwrap().to_owned()
    }
}

/// A local cloud that ends with the test.
struct Up {
    process: Child,
    endpoint: String,
}

impl Up {
    fn start(shop: &Shop, data_dir: &str) -> Self {
        let programs = shop.stand_ins();
        let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir, "--functions", &programs];
        let mut process = shop.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{line}");
        Self { process, endpoint }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_raw_zone_with_a_problem_is_not_loaded() {
    let day = "raw/pageviews/year=2026/month=01/day=31/part-0000.csv";
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (day, format!("view_id,customer,url,viewed_at\n{ROW}").into(), "customer_id"),
        (day, format!("view_id,url,viewed_at\n{ROW}").into(), "missing column customer_id"),
        (day, HEADER.replace(',', ";").into(), "semicolons"),
        (day, format!("{HEADER}{ROW}2,7,https://shop.example.com/\n").into(), "line 3"),
        (
            day,
            [HEADER.as_bytes(), b"1,7,\xff\xfe,2026-01-31 10:00:00\n"].concat(),
            "line 2, field url: the text is not UTF-8",
        ),
        (day, Vec::new(), "the file is empty"),
        (day, HEADER.into(), "a header and no rows"),
        ("raw/pageviews/year=2026/month=02/day=30/a.csv", format!("{HEADER}{ROW}").into(), "is not a date"),
        ("raw/pageviews/2026-01-31.csv", format!("{HEADER}{ROW}").into(), "expected pageviews/year=YYYY"),
    ];
    for (path, content, expected) in cases {
        let shop = Shop::new();
        shop.write(
            "raw/customers/country=USA/a.csv",
            "customer_id,name,email,created_at\n7,A,a@example.com,2025-01-01\n",
        );
        shop.write(path, content);
        let error = shop.error(&["load", "raw"], 1);
        assert!(error.starts_with("error: raw/pageviews/") && error.contains(expected), "{expected}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!shop.path(".pageviews").exists(), "nothing may be started or uploaded");
    }
}

#[test]
fn a_folder_that_is_no_raw_zone_is_refused() {
    let shop = Shop::new();
    assert_eq!(shop.error(&["load", "raw"], 1), "error: raw does not exist");
    shop.write("raw/readme.txt", "x");
    assert_eq!(
        shop.error(&["load", "raw"], 1),
        "error: raw/readme.txt: a raw zone holds only the folders customers and pageviews"
    );
    fs::remove_file(shop.path("raw/readme.txt")).unwrap();
    assert!(shop.error(&["load", "raw"], 1).starts_with("error: raw: no CSV file is in it"));
    shop.write("raw/customers/USA/a.csv", "x");
    assert_eq!(
        shop.error(&["load", "raw"], 1),
        "error: raw/customers/USA/a.csv: expected customers/country=NAME/*.csv"
    );
}

#[test]
fn a_plain_file_that_cannot_be_sent_is_named() {
    let shop = Shop::new();
    shop.write("pageviews.csv", [HEADER, ROW].concat());
    shop.write("notes.txt", "x");
    shop.write("export.csv", "a,b\n1,2\n");
    shop.write("monday/pageviews.csv", HEADER);
    shop.write("raw/customers/country=USA/a.csv", "customer_id,name,email,created_at\n");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["pageviews.csv", "absent.csv"], 1, "error: absent.csv does not exist"),
        (&["notes.txt"], 1, "error: notes.txt: only .csv and .csv.gz files are loaded"),
        (&["export.csv"], 1, "error: export.csv: neither its name nor its header (a,b) tells its table: say --table"),
        (
            &["pageviews.csv", "monday"],
            1,
            "error: pageviews.csv and monday/pageviews.csv would both be pageviews/pageviews.csv: load them one after",
        ),
        (&["pageviews.csv", "raw"], 2, "error: raw is laid out as the raw zone: give it alone, and without --table"),
        (&["--table", "visits", "pageviews.csv"], 2, "error: invalid value 'visits' for '--table <TABLE>'"),
        (&["--check", "pageviews.csv"], 2, "error: --check is for a folder with customers/ and pageviews/ in it"),
    ];
    for (arguments, code, expected) in cases {
        let error = shop.error(&[&["load"], arguments].concat(), code);
        assert!(error.starts_with(expected), "{arguments:?}: {error}");
        assert!(!shop.path(".pageviews").exists(), "nothing may be started or uploaded");
    }
}

#[test]
fn a_template_or_a_definition_that_is_wrong_is_not_deployed() {
    let shop = Shop::new();
    let template = fs::read_to_string(project().join("template.yaml")).unwrap();
    let definition = fs::read_to_string(project().join("statemachine/page_views_transform.asl.json")).unwrap();
    shop.write("statemachine/page_views_transform.asl.json", &definition);
    let programs = shop.stand_ins();
    let up = |shop: &Shop| {
        shop.error(&["up", "--listen", "127.0.0.1:0", "--template", "t.yaml", "--functions", &programs], 1)
    };

    shop.write("t.yaml", template.replacen("!GetAtt FullLoadFunction.Arn", "!GetAtt FulLoadFunction.Arn", 1));
    let error = up(&shop);
    assert!(error.starts_with("error: t.yaml:"), "{error}");
    assert!(
        error.ends_with("there is no parameter or resource FulLoadFunction (did you mean FullLoadFunction?)"),
        "{error}"
    );
    assert!(!shop.path(".pageviews").exists());

    shop.write("t.yaml", &template);
    let unreachable = definition.replacen("\"States\": {", "\"States\": {\"Nobody\": {\"Type\": \"Succeed\"},", 1);
    shop.write("statemachine/page_views_transform.asl.json", unreachable);
    let error = up(&shop);
    assert!(error.contains("PageViewsTransform") && error.contains("Nobody"), "{error}");

    assert!(
        shop.error(&["up", "--template", "none.yaml"], 1).starts_with("error: the template none.yaml cannot be read")
    );
    let error = shop.error(&["up", "--parameter", "Stage=prod"], 1);
    assert!(error.ends_with("the template has no parameter Stage"), "{error}");
    let error = shop.error(&["up", "--functions", "nowhere"], 1);
    assert!(error.contains("create-glue-db") && error.contains("cargo lambda build"), "{error}");
}

#[test]
fn a_port_or_a_data_directory_in_use_is_named() {
    let shop = Shop::new();
    let programs = shop.stand_ins();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = shop.error(&["up", "--listen", &address, "--functions", &programs], 1);
    assert!(error.starts_with(&format!("error: {address} cannot be listened on: the port is in use")), "{error}");

    let up = Up::start(&shop, "lake");
    let error = shop.error(&["query", "select 1", "--data-dir", "lake"], 1);
    assert!(error.contains(&format!("the data directory lake is in use by process {}", up.process.id())), "{error}");
    assert!(error.ends_with(&format!("--endpoint {}", up.endpoint)), "{error}");
    let output = shop.run(&["query", "select 1 as one", "--format", "csv", "--endpoint", &up.endpoint]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "one\n1\n");
}

#[test]
fn a_query_with_a_typo_is_shown_where() {
    let shop = Shop::new();
    let error = shop.error(&["query", "select *\nform pageviews_daily"], 1);
    assert!(error.contains("line 2:"), "{error}");
    assert!(error.ends_with('^'), "{error}");
    let error = shop.error(&["query", "select * from nowhere.nothing"], 1);
    assert!(error.contains("nowhere"), "{error}");
    assert_eq!(shop.error(&["query", " "], 2), "error: there is no statement to run");
}

#[test]
fn an_input_that_the_state_machine_does_not_know_is_refused() {
    let shop = Shop::new();
    let programs = shop.stand_ins();
    let run = |input: &str, code| {
        let output = shop.run(&["run", "--functions", &programs, "--input", input]);
        assert_eq!(output.status.code(), Some(code));
        String::from_utf8(output.stderr).unwrap()
    };
    let error = run(r#"{"full_refersh": true}"#, 1);
    assert!(error.contains("InvalidInput") && error.contains("full_refersh"), "{error}");
    assert!(run("{", 2).starts_with("error: --input is not JSON"));
}

#[test]
fn functions_that_should_run_where_nobody_listens_are_missed_before_anything_starts() {
    let shop = Shop::new();
    let error = shop.error(&["run", "--lambda-endpoint", "http://127.0.0.1:9"], 1);
    assert!(error.starts_with("error: the Lambda endpoint http://127.0.0.1:9 does not answer: "), "{error}");
    assert!(error.contains("cargo lambda watch") && error.contains("sam local start-lambda"), "{error}");
    assert!(!shop.path(".pageviews").exists());
}

#[test]
fn a_parameter_outside_its_pattern_is_refused_with_the_template_s_sentence() {
    let shop = Shop::new();
    let error = shop.error(&["up", "--parameter", "NamePrefix=Dev"], 1);
    let sentence =
        "\"Dev\" is refused: it must be empty, or up to 12 small letters and digits and a hyphen, such as dev-";
    assert!(error.contains(": Parameters.NamePrefix: ") && error.ends_with(sentence), "{error}");
    assert!(!shop.path(".pageviews").exists());
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let shop = Shop::new();
    shop.error(&["generate"], 2);
    shop.error(&["generate", "--out", "raw", "--files-per-day", "3"], 2);
    shop.error(&["generate", "--out", "raw", "--only-day", "2027-01-01"], 2);
    shop.error(&["up", "--listen", "somewhere"], 2);
    shop.error(&["status", "--endpoint", "localhost"], 2);
    shop.error(&["up", "--lambda-endpoint", "localhost:9000"], 2);
    shop.error(&["run", "--listen", "127.0.0.1:0"], 2);
    let elsewhere = ["run", "--endpoint", "http://127.0.0.1:9", "--lambda-endpoint", "http://127.0.0.1:9"];
    let error = shop.error(&elsewhere, 2);
    assert!(error.ends_with("give --lambda-endpoint to `pageviews up`"), "{error}");
    let error = shop.error(&["query", "select 1", "--endpoint", "http://127.0.0.1:9"], 1);
    assert!(error.starts_with("error: Athena: "), "{error}");
}

#[test]
fn a_plan_of_faults_that_makes_no_sense_is_refused_by_field() {
    let shop = Shop::new();
    let wrong = r#"{"seed": 1, "rules": [{"calls": "s3:*", "fault": "throttle"}, {"calls": "nowhere:*", "fault": "throttle"}]}"#;
    shop.write("wrong.json", wrong);
    shop.write("torn.json", "{");
    for command in ["up", "run"] {
        let error = shop.error(&[command, "--faults", "wrong.json"], 2);
        assert!(
            error.starts_with("error: wrong.json: the plan of faults: rules[1]: calls is \"nowhere:*\""),
            "{error}"
        );
        let error = shop.error(&[command, "--faults", "torn.json"], 2);
        assert!(error.starts_with("error: torn.json: the plan of faults is not JSON: "), "{error}");
        let error = shop.error(&[command, "--faults", "absent.json"], 1);
        assert!(error.starts_with("error: absent.json: "), "{error}");
    }
    shop.error(&["up", "--pause-scale", "2"], 2);
    let error = shop.error(&["run", "--endpoint", "http://127.0.0.1:9", "--pause-scale", "0.5"], 2);
    assert!(error.ends_with("give --faults and --pause-scale to `pageviews up`"), "{error}");
    assert!(!shop.path(".pageviews").exists());
}
