//! `ALTER TABLE … ADD PARTITION` and `DROP PARTITION`.

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::Result;
use crate::catalog::Table;
use crate::lake::S3Uri;
use crate::statement::msck_repair_table::partition;
use crate::statement::name::TableName;
use crate::statement::tokens::Tokens;
use crate::statement::{Answer, CatalogStatement, Session, Statement, ddl_failed, semantic};

/// `(key = 'value', …)`, as written.
type Spec = Vec<(String, String)>;

#[derive(Debug)]
struct AddPartitions {
    name: TableName,
    if_not_exists: bool,
    partitions: Vec<(Spec, Option<String>)>,
}

/// `ADD [IF NOT EXISTS] PARTITION (…) [LOCATION '…'] [PARTITION …]`
pub(super) fn add(tokens: &mut Tokens<'_>, name: TableName) -> Result<Statement> {
    tokens.expect("ADD")?;
    let if_not_exists = tokens.accept("IF NOT EXISTS");
    let mut partitions = Vec::new();
    tokens.expect("PARTITION")?;
    loop {
        let spec = spec(tokens)?;
        let location = if tokens.accept("LOCATION") { Some(tokens.string()?) } else { None };
        partitions.push((spec, location));
        if !tokens.accept("PARTITION") {
            break;
        }
    }
    Ok(Statement::catalog("ALTER_TABLE_ADD_PARTITION", AddPartitions { name, if_not_exists, partitions }))
}

impl CatalogStatement for AddPartitions {
    fn run(&self, session: &Session) -> Result<Answer> {
        let table = session.table(&self.name)?;
        let folder = S3Uri::parse(table.storage_descriptor.location.as_deref().unwrap_or_default())?.folder();
        let mut partitions = Vec::with_capacity(self.partitions.len());
        for (spec, location) in &self.partitions {
            let values = values(&table, spec)?;
            let Some(values) = values.into_iter().collect::<Option<Vec<String>>>() else {
                let keys = table.partition_keys.len();
                return Err(semantic(format!(
                    "partition spec {} doesn't contain all ({keys}) partition columns",
                    shown(spec)
                )));
            };
            let location = match location {
                Some(location) => S3Uri::parse(location)?,
                None => folder.join(&(path(&table, &values) + "/")),
            };
            partitions.push(partition(&table, &values, &location));
        }
        if !self.if_not_exists {
            for partition in &partitions {
                if session.catalog.get_partition(&table.database_name, &table.name, &partition.values).is_ok() {
                    let message =
                        format!("AlreadyExistsException(message:Partition already exists: {:?})", partition.values);
                    return Err(ddl_failed(message));
                }
            }
        }
        session.catalog.batch_create_partitions(&table.database_name, &table.name, partitions)?;
        Ok(Answer::default())
    }
}

#[derive(Debug)]
struct DropPartitions {
    name: TableName,
    if_exists: bool,
    specs: Vec<Spec>,
}

/// `DROP [IF EXISTS] PARTITION (…) [, PARTITION (…)]`
pub(super) fn drop(tokens: &mut Tokens<'_>, name: TableName) -> Result<Statement> {
    tokens.expect("DROP")?;
    let if_exists = tokens.accept("IF EXISTS");
    let mut specs = Vec::new();
    loop {
        tokens.expect("PARTITION")?;
        specs.push(spec(tokens)?);
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    Ok(Statement::catalog("ALTER_TABLE_DROP_PARTITION", DropPartitions { name, if_exists, specs }))
}

impl CatalogStatement for DropPartitions {
    fn run(&self, session: &Session) -> Result<Answer> {
        let table = session.table(&self.name)?;
        let known = session.catalog.list_partitions(&table.database_name, &table.name)?;
        let mut selected = Vec::new();
        for spec in &self.specs {
            let wanted = values(&table, spec)?;
            let fits = |values: &[String]| {
                wanted.iter().zip(values).all(|(wanted, value)| wanted.as_ref().is_none_or(|w| w == value))
            };
            let before = selected.len();
            selected.extend(
                known.iter().filter(|partition| fits(&partition.values)).map(|partition| partition.values.clone()),
            );
            if selected.len() == before && !self.if_exists {
                return Err(semantic(format!("[Error 10006]: Partition not found {}", shown(spec))));
            }
        }
        session.catalog.batch_delete_partitions(&table.database_name, &table.name, &selected)?;
        Ok(Answer::default())
    }
}

fn spec(tokens: &mut Tokens<'_>) -> Result<Spec> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut spec = Vec::new();
    loop {
        let key = tokens.name()?;
        tokens.expect_symbol(&Token::Eq)?;
        spec.push((key, tokens.literal()?));
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(spec)
}

/// The values in the order of the table's keys; `None` for a key that the spec leaves out.
fn values(table: &Table, spec: &Spec) -> Result<Vec<Option<String>>> {
    if table.partition_keys.is_empty() {
        return Err(semantic(format!("table is not partitioned but partition spec exists: {}", shown(spec))));
    }
    let is_key = |name: &str| table.partition_keys.iter().any(|key| key.name.eq_ignore_ascii_case(name));
    if spec.iter().any(|(name, _)| !is_key(name)) {
        return Err(semantic(format!("Partition spec {} contains non-partition columns", shown(spec))));
    }
    let value =
        |key: &str| spec.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone());
    Ok(table.partition_keys.iter().map(|key| value(&key.name)).collect())
}

fn shown(spec: &Spec) -> String {
    let pairs: Vec<String> = spec.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `year=2026/month=01`, with the characters that no folder may have percent-encoded as Hive does.
pub(in crate::statement) fn path(table: &Table, values: &[String]) -> String {
    const ESCAPED: &str = "\"#%'*/:=?\\{[]^\u{7f}";
    let escape = |character: char| {
        if character.is_ascii_control() || ESCAPED.contains(character) {
            format!("%{:02X}", u32::from(character))
        } else {
            character.to_string()
        }
    };
    let escape = |value: &String| value.chars().map(escape).collect::<String>();
    let pairs = table.partition_keys.iter().zip(values).map(|(key, value)| format!("{}={}", key.name, escape(value)));
    pairs.collect::<Vec<_>>().join("/")
}
