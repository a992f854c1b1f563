//! Words that are no names in Athena's DDL unless they stand in backticks.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/reserved-words.html>

const IN_DDL: &str = " all alter and array as authorization between bigint binary boolean both by case cashe cast char \
    column commit conf constraint create cross cube current current_date current_timestamp cursor database date \
    dayofweek decimal delete describe distinct div double drop else end exchange exists extended external extract \
    false fetch float floor following for foreign from full function grant group grouping having if import in inner \
    insert int integer intersect interval into is join lateral left less like local macro map more none not null \
    numeric of on only or order out outer over partialscan partition percent preceding precision preserve primary \
    procedure range reads reduce references regexp revoke right rlike rollback rollup row rows select set smallint \
    start table tablesample then time timestamp to transform trigger true truncate unbounded union uniquejoin update \
    user using utc_timestamp values varchar views when where window with ";

/// Whether the lower-case word needs backticks.
pub(super) fn in_ddl(word: &str) -> bool {
    IN_DDL.contains(&format!(" {word} "))
}

#[cfg(test)]
mod tests {
    use super::in_ddl;

    #[test]
    fn date_is_reserved_and_day_is_not() {
        assert!(in_ddl("date") && in_ddl("all") && in_ddl("with"));
        assert!(!in_ddl("day") && !in_ddl("url") && !in_ddl("dat") && !in_ddl(""));
    }
}
