//! The statement that would make a table over files like this one.

use crate::header::is_column_name;
use crate::inference::Column;

/// `CREATE EXTERNAL TABLE` over CSV with a header, in Hive's grammar, as Athena takes it. A column whose name no table
/// may have is left as a comment.
/// <https://docs.aws.amazon.com/athena/latest/ug/create-table.html>
pub fn create_table(table: &str, columns: &[Column], location: &str) -> String {
    let (named, unnamed): (Vec<_>, Vec<_>) = columns.iter().partition(|column| is_column_name(&column.name));
    let mut text = String::new();
    for column in unnamed {
        text.extend(["-- not a column name: ", &column.name.replace(['\n', '\r'], " "), "\n"]);
    }
    text.extend(["create external table if not exists `", table, "` (\n"]);
    for (at, column) in named.iter().enumerate() {
        let comma = if at + 1 < named.len() { "," } else { "" };
        text.extend(["    `", &column.name, "` ", &column.column_type().to_string(), comma, "\n"]);
    }
    text.push_str(
        ")\nrow format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n\
         with serdeproperties ('separatorChar' = ',', 'quoteChar' = '\"', 'escapeChar' = '\\\\')\n\
         stored as textfile\n",
    );
    text.extend(["location '", &location.replace('\'', "\\'"), "'\n"]);
    text.push_str("tblproperties ('skip.header.line.count' = '1')\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::Kind;

    #[test]
    fn names_that_no_table_may_have_are_left_out() {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind, values: 1, empty: 0 };
        let columns = [column("id", Kind::Bigint), column("größe", Kind::Double), column("day", Kind::Date)];

        let text = create_table("t", &columns, "s3://lake/t/");

        assert!(text.starts_with("-- not a column name: größe\ncreate external table if not exists `t` (\n"), "{text}");
        assert!(text.contains("    `id` bigint,\n    `day` string\n)\n"), "{text}");
        assert!(text.contains(r"'escapeChar' = '\\'"), "{text}");
    }
}
