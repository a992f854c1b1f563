//! `MERGE`, `UPDATE` and `DELETE` through the engine: against a model in plain Rust, at the moment before the commit,
//! and what they read.

#![allow(clippy::unwrap_used, reason = "a test ends where its preparation fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use local_engine::{Access, AccessDenied, Engine, EngineConfig, Resource, Result, Row};

fn open(folder: &Path) -> Engine {
    Engine::open(&EngineConfig { data_dir: folder.to_owned(), memory_limit: 256 << 20, threads: 2 }).unwrap()
}

/// The rows, the rows that were changed, and the bytes that were read.
async fn run(engine: &Engine, sql: &str) -> Result<(Vec<Row>, u64, u64)> {
    let output = engine.execute(engine.prepare(sql, "appdb")?).await?;
    let changed = output.update_count.unwrap_or(0);
    let rows = output.rows.try_concat().await?;
    Ok((rows, changed, output.meter.bytes()))
}

async fn new_table(engine: &Engine, columns: &str, partitioning: &str) {
    engine.lake().create_bucket("lake").unwrap();
    run(engine, "CREATE DATABASE appdb").await.unwrap();
    let sql = format!(
        "CREATE TABLE appdb.t ({columns}) {partitioning} LOCATION 's3://lake/t/' TBLPROPERTIES \
         ('table_type' = 'ICEBERG', 'optimize_rewrite_data_file_threshold' = '2', 'vacuum_max_snapshot_age_seconds' = '0')"
    );
    run(engine, &sql).await.unwrap();
}

/// Numbers that a seed gives.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn number(&mut self, limit: u64) -> Option<i64> {
        (self.below(8) != 0).then(|| self.below(limit).cast_signed())
    }
}

/// `k integer, v bigint, p varchar`
type ModelRow = (Option<i64>, Option<i64>, Option<String>);
type Model = Vec<ModelRow>;
type Condition = Box<dyn Fn(&ModelRow) -> bool>;

fn sql_number(value: Option<i64>) -> String {
    value.map_or("CAST(NULL AS bigint)".to_owned(), |value| format!("BIGINT '{value}'"))
}

/// A condition on a row, and the same in SQL.
fn condition(dice: &mut Dice) -> (String, Condition) {
    let n = dice.below(12).cast_signed();
    match dice.below(6) {
        0 => (format!("k = {n}"), Box::new(move |row| row.0 == Some(n))),
        1 => (format!("v > {n}"), Box::new(move |row| row.1.is_some_and(|v| v > n))),
        2 => (format!("NOT (v > {n})"), Box::new(move |row| row.1.is_some_and(|v| v <= n))),
        3 => ("k IS NULL".into(), Box::new(|row| row.0.is_none())),
        4 => ("p = 'b'".into(), Box::new(|row| row.2.as_deref() == Some("b"))),
        _ => (
            format!("k IN ({n}, 3) AND p <> 'a'"),
            Box::new(move |row| row.0.is_some_and(|k| k == n || k == 3) && row.2.as_deref().is_some_and(|p| p != "a")),
        ),
    }
}

fn insert(dice: &mut Dice, model: &mut Model) -> (String, Option<u64>) {
    let count = 1 + dice.below(12);
    let mut rows = Vec::new();
    for _ in 0..count {
        let (k, v) = (dice.number(12), dice.number(20));
        let p = ["a", "b", "c"][usize::try_from(dice.below(3)).unwrap()];
        rows.push(format!("(CAST({} AS integer), {}, '{p}')", sql_number(k), sql_number(v)));
        model.push((k, v, Some(p.to_owned())));
    }
    (format!("INSERT INTO t VALUES {}", rows.join(", ")), Some(count))
}

fn delete(dice: &mut Dice, model: &mut Model) -> (String, Option<u64>) {
    let (text, holds) = condition(dice);
    let before = model.len();
    model.retain(|row| !holds(row));
    (format!("DELETE FROM t WHERE {text}"), Some((before - model.len()) as u64))
}

fn update(dice: &mut Dice, model: &mut Model) -> (String, Option<u64>) {
    let (text, holds) = condition(dice);
    let mut count = 0;
    for row in model.iter_mut().filter(|row| holds(row)) {
        row.1 = row.1.map(|v| v + 1);
        row.2 = row.2.as_ref().map(|p| if p == "a" { "b".to_owned() } else { p.clone() });
        count += 1;
    }
    (format!("UPDATE t SET v = v + 1, p = IF(p = 'a', 'b', p) WHERE {text}"), Some(count))
}

/// `None` for the count means that it is refused: a row of the table matches more than one of the source.
fn merge(dice: &mut Dice, model: &mut Model) -> (String, Option<u64>) {
    let distinct = dice.below(3) != 0;
    let mut source: Vec<(Option<i64>, Option<i64>)> = Vec::new();
    for _ in 0..=dice.below(8) {
        let row = (dice.number(12), dice.number(20));
        if !distinct || source.iter().all(|(k, _)| *k != row.0) {
            source.push(row);
        }
    }
    let limit = dice.below(20).cast_signed();
    let only_b = dice.below(2) == 0;
    let sql = format!(
        "MERGE INTO t USING (VALUES {}) AS s (k, n) ON t.k = s.k{} WHEN MATCHED AND s.n > {limit} THEN DELETE \
         WHEN MATCHED AND t.v < s.n THEN UPDATE SET v = s.n, p = 'c' \
         WHEN NOT MATCHED AND s.n IS NOT NULL THEN INSERT (k, v) VALUES (CAST(s.k AS integer), s.n * 2)",
        source.iter().map(|(k, n)| format!("({}, {})", sql_number(*k), sql_number(*n))).collect::<Vec<_>>().join(", "),
        if only_b { " AND t.p = 'b'" } else { "" },
    );
    let matches =
        |row: &ModelRow, k: Option<i64>| row.0.is_some() && row.0 == k && (!only_b || row.2.as_deref() == Some("b"));
    let action = |row: &ModelRow, n: Option<i64>| match n {
        Some(n) if n > limit => 'd',
        Some(n) if row.1.is_some_and(|v| v < n) => 'u',
        _ => ' ',
    };
    let (mut next, mut count) = (Model::new(), 0);
    for row in model.iter() {
        let found: Vec<_> = source.iter().filter(|(k, _)| matches(row, *k)).collect();
        let acts = found.iter().filter(|(_, n)| action(row, *n) != ' ').count();
        if acts > 1 || found.len() - acts > 1 {
            return (sql, None);
        }
        match found.iter().map(|(_, n)| (action(row, *n), *n)).find(|(action, _)| *action != ' ') {
            Some(('d', _)) => count += 1,
            Some((_, n)) => {
                next.push((row.0, n, Some("c".to_owned())));
                count += 1;
            }
            None => next.push(row.clone()),
        }
    }
    for (k, n) in &source {
        if let Some(n) = n
            && !model.iter().any(|row| matches(row, *k))
        {
            next.push((*k, Some(n * 2), None));
            count += 1;
        }
    }
    *model = next;
    (sql, Some(count))
}

async fn stored(engine: &Engine) -> Vec<Row> {
    let mut rows = run(engine, "SELECT k, v, p FROM t").await.unwrap().0;
    rows.sort();
    rows
}

fn expected(model: &Model) -> Vec<Row> {
    let text = |value: &Option<i64>| value.map(|value| value.to_string());
    let mut rows: Vec<Row> = model.iter().map(|row| vec![text(&row.0), text(&row.1), row.2.clone()]).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_changes_gives_what_plain_rust_gives() {
    let mut outcomes = BTreeMap::<String, u32>::new();
    for seed in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path());
        new_table(&engine, "k int, v bigint, p string", if seed % 2 == 0 { "PARTITIONED BY (p)" } else { "" }).await;
        let (mut dice, mut model) = (Dice(seed), Model::new());
        for step in 0..16 {
            let (sql, count) = match dice.below(if step < 2 { 1 } else { 8 }) {
                0 => insert(&mut dice, &mut model),
                1 => delete(&mut dice, &mut model),
                2 => update(&mut dice, &mut model),
                3 => ("OPTIMIZE t REWRITE DATA USING BIN_PACK".to_owned(), Some(0)),
                4 => ("VACUUM t".to_owned(), Some(0)),
                _ => merge(&mut dice, &mut model),
            };
            let context = format!("seed {seed}, step {step}: {sql}");
            match (run(&engine, &sql).await, count) {
                (Ok((_, changed, _)), Some(count)) => assert_eq!(changed, count, "{context}"),
                (Err(error), None) => {
                    assert!(error.to_string().starts_with("MERGE_TARGET_ROW_MULTIPLE_MATCHES: "), "{context}: {error}");
                }
                (outcome, count) => panic!("{context}: {outcome:?} instead of {count:?}"),
            }
            assert_eq!(stored(&engine).await, expected(&model), "{context}");
            let kind = sql.split(' ').next().unwrap_or_default();
            let effect = match count {
                None => "refused",
                Some(0) => "none",
                Some(_) => "some",
            };
            *outcomes.entry(format!("{kind} {effect}")).or_default() += 1;
        }
    }
    for kind in
        ["DELETE some", "UPDATE some", "MERGE some", "MERGE none", "MERGE refused", "OPTIMIZE none", "VACUUM none"]
    {
        assert!(outcomes.contains_key(kind), "the seeds never gave {kind}: {outcomes:?}");
    }
}

/// Keeps what lies on the disk at the moment when the catalog is asked to point at the new table.
#[derive(Debug)]
struct Moment {
    from: PathBuf,
    to: PathBuf,
    taken: Mutex<bool>,
}

impl Access for Moment {
    fn check(&self, action: &'static str, _: &Resource) -> Result<(), AccessDenied> {
        let mut taken = self.taken.lock().unwrap();
        if action == "glue:UpdateTable" && !*taken {
            *taken = true;
            copy(&self.from, &self.to);
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_the_commit_leaves_the_table_as_it_was() {
    const MERGE: &str = "MERGE INTO t USING (VALUES (1, 10), (2, 20), (9, 90)) AS s (k, v) ON t.k = s.k \
                         WHEN MATCHED AND s.k = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v \
                         WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)";
    for (sql, after) in [(MERGE, 113), ("DELETE FROM t WHERE k > 1", 1), ("UPDATE t SET v = 100 WHERE k = 3", 103)] {
        let (folder, grave) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let engine = open(folder.path());
        new_table(&engine, "k int, v bigint", "").await;
        run(&engine, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 9)").await.unwrap();
        run(&engine, "DELETE FROM t WHERE k = 4").await.unwrap();
        let moment = Moment { from: folder.path().into(), to: grave.path().join("data"), taken: Mutex::default() };
        let killed = engine.acting_for(Arc::new(moment));
        run(&killed, sql).await.unwrap();
        let sum = "SELECT k, v FROM t";
        let total = |rows: Vec<Row>| rows.iter().map(|row| row[1].as_deref().unwrap().parse::<i64>().unwrap()).sum();
        let committed: i64 = total(run(&engine, sum).await.unwrap().0);
        assert_eq!(committed, after, "{sql}");
        let survivor = open(&grave.path().join("data"));
        let found: i64 = total(run(&survivor, sum).await.unwrap().0);
        assert_eq!(found, 6, "{sql}");
        // And the same statement finds everything that it needs.
        run(&survivor, sql).await.unwrap();
        assert_eq!(total(run(&survivor, sum).await.unwrap().0), committed, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_literal_condition_on_the_target_limits_what_is_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    new_table(&engine, "dt date, url string, n bigint", "PARTITIONED BY (month(dt))").await;
    let rows = "INSERT INTO t SELECT date_add('day', d, DATE '2026-01-01'), '/page/' || CAST(u AS varchar), u \
                FROM UNNEST(sequence(0, 359)) AS d (d) CROSS JOIN UNNEST(sequence(1, 300)) AS u (u)";
    assert_eq!(run(&engine, rows).await.unwrap().1, 108_000);
    let (_, _, all) = run(&engine, "SELECT sum(n), max(url), max(date_add('day', 1, dt)) FROM t").await.unwrap();
    let sql = "MERGE INTO t USING ( \
                 SELECT dt, url, sum(v) AS n, bool_and(old) AS gone FROM ( \
                   SELECT DATE '2026-12-01' AS dt, '/page/1' AS url, BIGINT '77' AS v, false AS old \
                   UNION ALL SELECT dt, url, 0, true FROM t WHERE dt >= DATE '2026-12-01' \
                 ) GROUP BY dt, url \
               ) AS s ON t.dt = s.dt AND t.url = s.url AND t.dt >= DATE '2026-12-01' \
               WHEN MATCHED AND s.gone THEN DELETE \
               WHEN MATCHED AND t.n <> s.n THEN UPDATE SET n = s.n \
               WHEN NOT MATCHED THEN INSERT (dt, url, n) VALUES (s.dt, s.url, s.n)";
    let (_, changed, bytes) = run(&engine, sql).await.unwrap();
    assert_eq!(changed, 26 * 300);
    // One month of twelve, read for the source, for the comparison, and for what stays.
    assert!(bytes * 3 < all, "{bytes} of {all} bytes");
    let files = run(&engine, "SELECT count(*), sum(record_count) FROM \"t$files\"").await.unwrap().0;
    assert_eq!(files[0], [Some("12".to_owned()), Some("100201".to_owned())]);
    let summary = "SELECT element_at(summary, 'deleted-data-files') FROM \"t$snapshots\" WHERE operation = 'overwrite'";
    assert_eq!(run(&engine, summary).await.unwrap().0, [vec![Some("1".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_read_by_its_number_until_vacuum_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    new_table(&engine, "k int, v bigint", "").await;
    run(&engine, "INSERT INTO t VALUES (1, 1), (2, 2)").await.unwrap();
    run(&engine, "UPDATE t SET v = 20 WHERE k = 2").await.unwrap();
    run(&engine, "DELETE FROM t WHERE k = 1").await.unwrap();
    let snapshots =
        run(&engine, "SELECT snapshot_id FROM \"t$snapshots\" ORDER BY committed_at, parent_id NULLS FIRST").await;
    let ids: Vec<String> = snapshots.unwrap().0.into_iter().filter_map(|mut row| row.pop().flatten()).collect();
    let sum = async |from: &str| {
        run(&engine, &format!("SELECT sum(v) FROM t {from}")).await.map(|found| found.0[0][0].clone())
    };
    let mut found = Vec::new();
    for id in &ids {
        found.push(sum(&format!("FOR VERSION AS OF {id}")).await.unwrap().unwrap());
    }
    found.sort();
    assert_eq!(found, ["20", "21", "3"]);
    let joined = format!("SELECT count(*) FROM t FOR VERSION AS OF {} a JOIN t b ON a.k = b.k", ids[0]);
    assert_eq!(run(&engine, &joined).await.unwrap().0[0][0].as_deref(), Some("1"));
    run(&engine, "VACUUM t").await.unwrap();
    assert_eq!(sum("").await.unwrap().as_deref(), Some("20"));
    let gone = sum(&format!("FOR VERSION AS OF {}", ids[0])).await.unwrap_err().to_string();
    assert_eq!(gone, format!("INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: {}", ids[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_is_lost_however_many_are_made_at_once() {
    const CLIENTS: i64 = 4;
    const CHANGES: i64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    new_table(&engine, "k int, v bigint", "").await;
    run(&engine, "INSERT INTO t VALUES (1, 0), (2, 0)").await.unwrap();
    let clients = (0..CLIENTS).map(|client| {
        let engine = engine.clone();
        tokio::spawn(async move {
            let sql = format!(
                "MERGE INTO t USING (VALUES (1), ({})) AS s (k) ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = t.v + 1 \
                 WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, 1)",
                client + 10
            );
            let (mut done, mut lost) = (0, 0);
            while done < CHANGES {
                match run(&engine, &sql).await {
                    Ok((_, changed, _)) => {
                        assert_eq!(changed, 2);
                        done += 1;
                    }
                    Err(error) => {
                        assert!(error.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{error}");
                        assert!(error.athena_error().retryable);
                        lost += 1;
                    }
                }
            }
            lost
        })
    });
    let mut lost = 0;
    for client in clients.collect::<Vec<_>>() {
        lost += client.await.unwrap();
    }
    assert!(lost > 0, "nobody was in anybody's way: the test proves nothing");
    let mut wanted = vec![vec![Some("1".to_owned()), Some((CLIENTS * CHANGES).to_string())]];
    wanted.push(vec![Some("2".to_owned()), Some("0".to_owned())]);
    wanted.extend((0..CLIENTS).map(|client| vec![Some((client + 10).to_string()), Some(CHANGES.to_string())]));
    assert_eq!(run(&engine, "SELECT k, v FROM t ORDER BY k").await.unwrap().0, wanted);
}
