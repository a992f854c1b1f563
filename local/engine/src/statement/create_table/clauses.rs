//! The clauses of `CREATE TABLE`, in the order in which Hive's grammar has them.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{CreateTable, PartitionField, RowFormat, StoredAs, transform};
use crate::catalog::{Column, Parameters};
use crate::statement::tokens::Tokens;
use crate::{Error, Result};

/// `(name type [COMMENT '…'], …)`
pub(in crate::statement) fn columns(tokens: &mut Tokens<'_>) -> Result<Vec<Column>> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut columns = Vec::new();
    loop {
        let name = tokens.name()?;
        columns.push(column(tokens, name)?);
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(columns)
}

fn column(tokens: &mut Tokens<'_>, name: String) -> Result<Column> {
    let type_ = type_name(tokens)?;
    let comment = if tokens.accept("COMMENT") { Some(tokens.string()?) } else { None };
    Ok(Column { name, type_, comment, ..Column::default() })
}

/// A type in Hive's normal form: lower case, without spaces.
fn type_name(tokens: &mut Tokens<'_>) -> Result<String> {
    const SIMPLE: &[&str] = &[
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "string",
        "binary",
        "date",
        "timestamp",
        "decimal",
        "char",
        "varchar",
    ];
    let Some(Token::Word(word)) = tokens.peek() else { return Err(tokens.unexpected("type")) };
    let name = word.value.to_lowercase();
    let name = if name == "integer" { "int" } else { name.as_str() };
    match name {
        "array" => {
            tokens.skip();
            Ok(format!("array<{}>", bracketed(tokens, type_name)?))
        }
        "map" => {
            tokens.skip();
            Ok(format!(
                "map<{}>",
                bracketed(tokens, |tokens| Ok(format!("{},{}", type_name(tokens)?, after_comma(tokens)?)))?
            ))
        }
        "struct" => {
            tokens.skip();
            Ok(format!("struct<{}>", bracketed(tokens, fields)?))
        }
        _ if SIMPLE.contains(&name) => {
            let name = name.to_owned();
            tokens.skip();
            Ok(name.clone() + &parameters(tokens, &name)?)
        }
        _ => Err(tokens.unexpected("type")),
    }
}

fn after_comma(tokens: &mut Tokens<'_>) -> Result<String> {
    tokens.expect_symbol(&Token::Comma)?;
    type_name(tokens)
}

fn bracketed(tokens: &mut Tokens<'_>, inside: impl Fn(&mut Tokens<'_>) -> Result<String>) -> Result<String> {
    tokens.expect_symbol(&Token::Lt)?;
    let text = inside(tokens)?;
    tokens.expect_symbol(&Token::Gt)?;
    Ok(text)
}

fn fields(tokens: &mut Tokens<'_>) -> Result<String> {
    let mut fields = Vec::new();
    loop {
        let name = tokens.name()?;
        tokens.expect_symbol(&Token::Colon)?;
        fields.push(format!("{name}:{}", type_name(tokens)?));
        if !tokens.accept_symbol(&Token::Comma) {
            return Ok(fields.join(","));
        }
    }
}

/// `(10,2)` behind `decimal`, `(10)` behind `varchar` and `char`.
fn parameters(tokens: &mut Tokens<'_>, name: &str) -> Result<String> {
    let takes_some = matches!(name, "decimal" | "char" | "varchar");
    if !takes_some || !tokens.accept_symbol(&Token::LParen) {
        return if matches!(name, "char" | "varchar") { Err(tokens.unexpected("'('")) } else { Ok(String::new()) };
    }
    let mut numbers = vec![tokens.literal()?];
    if name == "decimal" && tokens.accept_symbol(&Token::Comma) {
        numbers.push(tokens.literal()?);
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(format!("({})", numbers.join(",")))
}

/// Everything behind the columns.
pub(super) fn after_columns(tokens: &mut Tokens<'_>) -> Result<CreateTable> {
    let mut table = CreateTable::default();
    if tokens.accept("COMMENT") {
        table.comment = Some(tokens.string()?);
    }
    if tokens.accept("PARTITIONED BY") {
        table.partitioning = partitioning(tokens)?;
    }
    if tokens.follows("CLUSTERED BY") {
        return Err(Error::unsupported("CLUSTERED BY (bucketed Hive tables)"));
    }
    if tokens.accept("ROW FORMAT") {
        table.row_format = Some(row_format(tokens)?);
    }
    if tokens.accept("STORED AS") {
        table.stored_as = Some(stored_as(tokens)?);
    }
    tokens.expect("LOCATION")?;
    table.location = tokens.string()?;
    if tokens.accept("TBLPROPERTIES") {
        table.properties = properties(tokens)?;
    }
    Ok(table)
}

fn partitioning(tokens: &mut Tokens<'_>) -> Result<Vec<PartitionField>> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut fields = Vec::new();
    loop {
        // A reserved word, and the name of a transform.
        let name = if tokens.accept("TRUNCATE") { "truncate".to_owned() } else { tokens.name()? };
        fields.push(match tokens.peek() {
            Some(Token::LParen) => PartitionField::Transform(transform(tokens, &name)?),
            Some(Token::Comma | Token::RParen) => PartitionField::Transform(name),
            _ => PartitionField::Key(column(tokens, name)?),
        });
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(fields)
}

fn row_format(tokens: &mut Tokens<'_>) -> Result<RowFormat> {
    if tokens.accept("SERDE") {
        let library = tokens.string()?;
        let with = tokens.accept("WITH SERDEPROPERTIES");
        return Ok(RowFormat::SerDe {
            library,
            properties: if with { properties(tokens)? } else { Parameters::new() },
        });
    }
    tokens.expect("DELIMITED")?;
    let mut delimited = Parameters::new();
    let mut put = |key: &str, value: String| delimited.insert(key.to_owned(), value);
    if tokens.accept("FIELDS TERMINATED BY") {
        let comma = tokens.string()?;
        put("field.delim", comma.clone());
        put("serialization.format", comma);
        if tokens.accept("ESCAPED BY") {
            put("escape.delim", tokens.string()?);
        }
    }
    for (clause, key) in [
        ("COLLECTION ITEMS TERMINATED BY", "colelction.delim"), // Hive's own spelling.
        ("MAP KEYS TERMINATED BY", "mapkey.delim"),
        ("LINES TERMINATED BY", "line.delim"),
        ("NULL DEFINED AS", "serialization.null.format"),
    ] {
        if tokens.accept(clause) {
            put(key, tokens.string()?);
        }
    }
    Ok(RowFormat::Delimited(delimited))
}

fn stored_as(tokens: &mut Tokens<'_>) -> Result<StoredAs> {
    if tokens.accept("INPUTFORMAT") {
        let input = tokens.string()?;
        tokens.expect("OUTPUTFORMAT")?;
        return Ok(StoredAs::Classes { input, output: tokens.string()? });
    }
    Ok(StoredAs::Format(tokens.name()?.to_uppercase()))
}

/// `('key'='value', …)`
pub(in crate::statement) fn properties(tokens: &mut Tokens<'_>) -> Result<Parameters> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut properties = Parameters::new();
    loop {
        let key = tokens.string()?;
        tokens.expect_symbol(&Token::Eq)?;
        properties.insert(key, tokens.literal()?);
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(properties)
}
