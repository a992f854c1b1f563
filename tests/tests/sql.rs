//! Runs every file of `tests/sql/*.slt` against a fresh engine whose bucket `lake` holds a copy of `tests/sql/lake/`.
//!
//! A result is written as Athena's results write it, NULL as `NULL` and the empty text as `(empty)`. The letters behind
//! `query` are the columns' types, see [`TypeLetter`]. Files whose names begin with `_` are included by others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures::TryStreamExt;
use libtest_mimic::{Arguments, Failed, Trial};
use local_engine::{Column, Engine, EngineConfig, Error};
use sqllogictest::{AsyncDB, ColumnType, DBOutput, Runner, strict_column_validator};
use tempfile::TempDir;

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let trials = test_files(&folder())?.into_iter().map(|file| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || run_file(&file))
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")
}

fn test_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let helper = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'));
        if path.extension().is_some_and(|extension| extension == "slt") && !helper {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn run_file(file: &Path) -> Result<(), Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let data = TempDir::new()?;
        copy_folder(&folder().join("lake"), &data.path().join("s3").join("lake"))?;
        let config = EngineConfig { data_dir: data.path().to_owned(), memory_limit: 256 << 20, threads: 2 };
        let engine = Engine::open(&config)?;
        let mut runner = Runner::new(|| async { Ok(Session { engine: engine.clone() }) });
        runner.with_column_validator(strict_column_validator);
        runner.run_file_async(file).await.map_err(|error| error.display(false).to_string())?;
        Ok(())
    })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// One connection; unqualified names are in the database `appdb`.
struct Session {
    engine: Engine,
}

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = Error;
    type ColumnType = TypeLetter;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<TypeLetter>, Error> {
        let prepared = self.engine.prepare(sql, "appdb")?;
        let output = self.engine.execute(prepared).await?;
        let chunks: Vec<_> = output.rows.try_collect().await?;
        if output.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(output.update_count.unwrap_or(0)));
        }
        let types = output.columns.iter().map(TypeLetter::of).collect();
        let rows = chunks.into_iter().flatten().map(|row| row.into_iter().map(shown).collect()).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

fn shown(value: Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text,
    }
}

/// A column's type as one letter: `T` varchar, `I` integer, `L` bigint, `R` double, `N` decimal, `B` boolean, `D` date,
/// `P` timestamp, `Z` timestamp with time zone, `A` array, `M` map, `W` row, `X` varbinary, `J` json, `?` any other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TypeLetter(char);

impl TypeLetter {
    fn of(column: &Column) -> Self {
        Self(match column.type_name.as_str() {
            "varchar" | "string" => 'T',
            "integer" => 'I',
            "bigint" => 'L',
            "double" => 'R',
            "decimal" => 'N',
            "boolean" => 'B',
            "date" => 'D',
            "timestamp" => 'P',
            "timestamp with time zone" => 'Z',
            "array" => 'A',
            "map" => 'M',
            "row" => 'W',
            "varbinary" => 'X',
            "json" => 'J',
            _ => '?',
        })
    }
}

impl ColumnType for TypeLetter {
    fn from_char(value: char) -> Option<Self> {
        Some(Self(value))
    }

    fn to_char(&self) -> char {
        self.0
    }
}
