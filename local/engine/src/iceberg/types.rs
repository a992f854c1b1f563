//! Type names: Hive's text, as Athena's DDL and Glue write it, to and from Iceberg's types.
//!
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-supported-data-types.html>; the way back is
//! what Iceberg's own Glue client writes:
//! <https://github.com/apache/iceberg/blob/main/aws/src/main/java/org/apache/iceberg/aws/glue/IcebergToGlueConverter.java>

use std::sync::Arc;

use ::iceberg::spec::{ListType, MapType, NestedField, PrimitiveType, StructType, Type};

use crate::{Error, Result};

/// Reads a Hive type. Nested fields take their ids from `next_id`; everything is optional, as in Athena.
pub(super) fn parse(text: &str, next_id: &mut i32) -> Result<Type> {
    let mut parser = Parser { whole: text, rest: text, next_id };
    let parsed = parser.parse_type()?;
    if parser.rest.trim().is_empty() { Ok(parsed) } else { Err(parser.refuse()) }
}

/// Writes a type as Glue holds it.
pub(super) fn hive_name(type_: &Type) -> String {
    match type_ {
        Type::Primitive(primitive) => primitive_name(primitive),
        Type::Struct(fields) => {
            let fields: Vec<_> = fields
                .fields()
                .iter()
                .map(|field| format!("{}:{}", field.name, hive_name(&field.field_type)))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        Type::List(list) => format!("array<{}>", hive_name(&list.element_field.field_type)),
        Type::Map(map) => {
            format!("map<{},{}>", hive_name(&map.key_field.field_type), hive_name(&map.value_field.field_type))
        }
    }
}

fn primitive_name(primitive: &PrimitiveType) -> String {
    match primitive {
        PrimitiveType::Boolean => "boolean".into(),
        PrimitiveType::Int => "int".into(),
        PrimitiveType::Long => "bigint".into(),
        PrimitiveType::Float => "float".into(),
        PrimitiveType::Double => "double".into(),
        PrimitiveType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        PrimitiveType::Date => "date".into(),
        PrimitiveType::Timestamp
        | PrimitiveType::Timestamptz
        | PrimitiveType::TimestampNs
        | PrimitiveType::TimestamptzNs => "timestamp".into(),
        PrimitiveType::Time | PrimitiveType::String | PrimitiveType::Uuid => "string".into(),
        PrimitiveType::Fixed(_) | PrimitiveType::Binary => "binary".into(),
    }
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    next_id: &'a mut i32,
}

impl Parser<'_> {
    fn parse_type(&mut self) -> Result<Type> {
        let name = self.word().to_ascii_lowercase();
        match name.as_str() {
            "array" => {
                self.expect('<')?;
                let element = NestedField::list_element(self.id(), self.parse_type()?, false);
                self.expect('>')?;
                Ok(Type::List(ListType::new(Arc::new(element))))
            }
            "map" => self.map(),
            "struct" => self.structure(),
            "decimal" => self.decimal(),
            _ => self.simple(&name),
        }
    }

    fn map(&mut self) -> Result<Type> {
        self.expect('<')?;
        let key = NestedField::map_key_element(self.id(), self.parse_type()?);
        self.expect(',')?;
        let value = NestedField::map_value_element(self.id(), self.parse_type()?, false);
        self.expect('>')?;
        Ok(Type::Map(MapType::new(Arc::new(key), Arc::new(value))))
    }

    fn structure(&mut self) -> Result<Type> {
        let mut fields = Vec::new();
        self.expect('<')?;
        loop {
            let name = self.word().to_ascii_lowercase();
            if name.is_empty() {
                return Err(self.refuse());
            }
            self.expect(':')?;
            fields.push(Arc::new(NestedField::optional(self.id(), name, self.parse_type()?)));
            if !self.accept(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(Type::Struct(StructType::new(fields)))
    }

    fn decimal(&mut self) -> Result<Type> {
        // Hive's defaults.
        let (mut precision, mut scale) = (10, 0);
        if self.accept('(') {
            precision = self.number()?;
            if self.accept(',') {
                scale = self.number()?;
            }
            self.expect(')')?;
        }
        Type::decimal(precision, scale).map_err(|_| self.refuse())
    }

    fn simple(&mut self, name: &str) -> Result<Type> {
        let primitive = match name {
            "boolean" => PrimitiveType::Boolean,
            "int" | "integer" => PrimitiveType::Int,
            "bigint" | "long" => PrimitiveType::Long,
            "float" | "real" => PrimitiveType::Float,
            "double" => PrimitiveType::Double,
            "date" => PrimitiveType::Date,
            "string" => PrimitiveType::String,
            "binary" | "varbinary" => PrimitiveType::Binary,
            "varchar" => {
                // Only a query's result has this type (CTAS); Iceberg has one string type.
                if self.accept('(') {
                    self.number()?;
                    self.expect(')')?;
                }
                PrimitiveType::String
            }
            "timestamp" => self.timestamp()?,
            _ => return Err(self.refuse()),
        };
        Ok(Type::Primitive(primitive))
    }

    fn timestamp(&mut self) -> Result<PrimitiveType> {
        if self.accept('(') {
            let precision = self.number()?;
            self.expect(')')?;
            if precision > 6 {
                return Err(self.refuse());
            }
        }
        let zone = self.rest.trim_start();
        match zone.get(.."with time zone".len()) {
            Some(words) if words.eq_ignore_ascii_case("with time zone") => {
                self.rest = &zone[words.len()..];
                Ok(PrimitiveType::Timestamptz)
            }
            _ => Ok(PrimitiveType::Timestamp),
        }
    }

    fn id(&mut self) -> i32 {
        *self.next_id += 1;
        *self.next_id
    }

    fn word(&mut self) -> &str {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| "<>(),: ".contains(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<u32> {
        let parsed = self.word().parse();
        parsed.map_err(|_| self.refuse())
    }

    fn accept(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.accept(wanted) { Ok(()) } else { Err(self.refuse()) }
    }

    fn refuse(&self) -> Error {
        super::refused("NOT_SUPPORTED", format!("Type not supported for Iceberg: {}", self.whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> String {
        hive_name(&parse(text, &mut 0).unwrap())
    }

    #[test]
    fn every_type_of_athena_goes_there_and_back() {
        for text in [
            "boolean",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(38,10)",
            "date",
            "timestamp",
            "string",
            "binary",
            "array<string>",
            "map<string,bigint>",
            "struct<a:int,b:array<map<string,struct<c:decimal(10,2)>>>>",
        ] {
            assert_eq!(there_and_back(text), text);
        }
        assert_eq!(there_and_back("Timestamp(6)"), "timestamp");
        assert_eq!(there_and_back("struct< a : int , b : varchar(3) >"), "struct<a:int,b:string>");
        let zoned = parse("timestamp(3) with time zone", &mut 0).unwrap();
        assert_eq!(zoned, Type::Primitive(PrimitiveType::Timestamptz));
    }

    #[test]
    fn what_iceberg_cannot_hold_is_refused_by_name() {
        for text in ["tinyint", "smallint", "char(3)", "array<", "map<string>", "decimal(39,0)", "int int", ""] {
            let error = parse(text, &mut 0).unwrap_err().to_string();
            assert_eq!(error, format!("NOT_SUPPORTED: Type not supported for Iceberg: {text}"));
        }
    }
}
