//! From the columns of a file to the columns of its table.
//!
//! A raw file is CSV by position, in the table's order: the required columns, then whatever was added to the table over
//! time. A file that ends before the table's last column reads as null there, as older files do after a column was added.

use schema::{Header, Inference, Kind, is_column_name};
use serde::Serialize;

use crate::table::Table;

/// What happens to columns that the table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewColumns {
    /// They are added to the table.
    Add,
    /// They are told of in the summary, and stay in the inbox.
    Report,
}

impl std::str::FromStr for NewColumns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ADD" => Ok(Self::Add),
            "REPORT" => Ok(Self::Report),
            _ => Err("must be ADD or REPORT".to_owned()),
        }
    }
}

/// The columns, as the summary tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Columns {
    /// Those of the file, in its order.
    pub(crate) seen: Vec<String>,
    /// Those that this file adds to the table, with their types.
    pub(crate) added: Vec<(String, String)>,
    /// Those whose values are not in the table. The file in the inbox keeps them.
    pub(crate) not_loaded: Vec<String>,
}

/// A column that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Where it stands in the file; nowhere if the file lacks it.
    pub(crate) position: Option<usize>,
    /// What its values must be.
    pub(crate) kind: Kind,
}

/// How rows are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many fields a row has.
    pub(crate) width: usize,
    /// The columns that are written, in order.
    pub(crate) written: Vec<Written>,
    /// Whether a row can be written as it was read, if its text allows.
    pub(crate) as_it_is: bool,
    /// Where the column stands that may not be empty.
    pub(crate) key: usize,
    /// Where the column stands that decides the partition.
    pub(crate) partition: usize,
    /// The first line of every file that is written.
    pub(crate) header: Vec<u8>,
    pub(crate) columns: Columns,
}

impl Layout {
    /// Of a file with this header and this sample of rows, for a table that has these columns in the catalog. A table
    /// that does not exist yet will begin with the required columns, so no others are written for it.
    pub(crate) fn new(
        table: Table,
        header: &Header,
        sample: &Inference,
        catalog: Option<&[(String, String)]>,
        new_columns: NewColumns,
    ) -> Self {
        let required = || table.columns().iter().map(|name| ((*name).to_owned(), "string".to_owned()));
        let mut target: Vec<(String, String)> = catalog.map_or_else(|| required().collect(), <[_]>::to_vec);
        let mut added = Vec::new();
        if catalog.is_some() && new_columns == NewColumns::Add {
            let is_new = |name: &str| {
                let known = target.iter().any(|(column, _)| column == name);
                !known && is_column_name(name) && !table.partition_keys().contains(&name)
            };
            let sampled = sample.columns();
            let columns = sampled.iter().filter(|column| is_new(&column.name));
            added = columns.map(|column| (column.name.clone(), column.column_type().to_string())).collect();
        }
        target.extend_from_slice(&added);
        let (written, names) = write_columns(header, &target);
        let is_loaded = |name: &String| names.contains(&name.as_str()) || name == table.partition_source();
        let not_loaded: Vec<String> = header.names().iter().filter(|name| !is_loaded(name)).cloned().collect();
        added.retain(|(name, _)| names.contains(&name.as_str()));
        let in_order = written.iter().enumerate().all(|(at, column)| column.position == Some(at));
        let position = |name: &str| header.position(name).unwrap_or(0);
        Self {
            width: header.names().len(),
            as_it_is: in_order && written.len() == header.names().len(),
            key: position(table.key()),
            partition: position(table.partition_source()),
            header: [names.join(",").as_bytes(), b"\n"].concat(),
            written,
            columns: Columns { seen: header.names().to_vec(), added, not_loaded },
        }
    }

    /// The columns that are written and are not text.
    pub(crate) fn typed(&self) -> impl Iterator<Item = (usize, Kind)> {
        let typed = self.written.iter().filter(|column| column.kind != Kind::String);
        typed.filter_map(|column| Some((column.position?, column.kind)))
    }
}

/// The table's columns up to the last one that the file has. A column in between that the file lacks is written empty,
/// which only text can be: before such a column of another type the rows end.
fn write_columns<'a>(header: &Header, target: &'a [(String, String)]) -> (Vec<Written>, Vec<&'a str>) {
    let column = |(name, column_type): &'a (String, String)| {
        let written =
            Written { position: header.position(name), kind: Kind::of_column(column_type).unwrap_or(Kind::String) };
        // A type that nothing here gave: whether a value fits cannot be told.
        let foreign = Kind::of_column(column_type).is_none();
        (name.as_str(), written, foreign)
    };
    let usable = |(_, written, foreign): &(&str, Written, bool)| {
        !foreign && (written.position.is_some() || written.kind == Kind::String)
    };
    let mut columns: Vec<_> = target.iter().map(column).take_while(usable).collect();
    while columns.last().is_some_and(|(_, written, _)| written.position.is_none()) {
        columns.pop();
    }
    columns.into_iter().map(|(name, written, _)| (written, name)).unzip()
}

#[cfg(test)]
mod tests {
    use schema::{Reader, Row, Visit};

    use super::*;

    struct Sample(Option<(Header, Inference)>);

    impl Visit for Sample {
        fn row(&mut self, row: Row<'_>) {
            match &mut self.0 {
                None => {
                    let header = Header::read(&row).unwrap();
                    let inference = Inference::new(header.names());
                    self.0 = Some((header, inference));
                }
                Some((_, inference)) => inference.look(&row),
            }
        }
    }

    fn layout(text: &str, catalog: Option<&[(&str, &str)]>, new_columns: NewColumns) -> Layout {
        let (mut reader, mut sample) = (Reader::default(), Sample(None));
        reader.push(text.as_bytes(), &mut sample);
        let (header, inference) = sample.0.unwrap();
        let own = |(name, kind): &(&str, &str)| ((*name).to_owned(), (*kind).to_owned());
        let catalog: Option<Vec<_>> = catalog.map(|columns| columns.iter().map(own).collect());
        Layout::new(Table::Pageviews, &header, &inference, catalog.as_deref(), new_columns)
    }

    const BASE: [(&str, &str); 4] =
        [("view_id", "string"), ("customer_id", "string"), ("url", "string"), ("viewed_at", "string")];

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&BASE[..], more].concat()
    }

    fn header(layout: &Layout) -> &str {
        std::str::from_utf8(&layout.header).unwrap().trim_end()
    }

    #[test]
    fn a_file_in_the_tables_order_is_written_as_it_is() {
        let in_order = layout("view_id,customer_id,url,viewed_at\n", None, NewColumns::Report);
        assert!(in_order.as_it_is);
        let other = layout("url,viewed_at,view_id,customer_id\n", None, NewColumns::Report);
        assert!(!other.as_it_is);
        assert_eq!(header(&other), "view_id,customer_id,url,viewed_at");
        assert_eq!((other.key, other.partition), (2, 1));
    }

    #[test]
    fn a_new_column_is_added_with_the_type_of_its_values() {
        let text = "n,view_id,customer_id,url,viewed_at,year,Größe,s\n1,a,b,c,d,e,f,\n2,a,b,c,d,e,f,3\n";
        let added = layout(text, Some(&BASE), NewColumns::Add);
        let own = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        assert_eq!(added.columns.added, [own("n", "bigint"), own("s", "string")]);
        assert_eq!(added.columns.not_loaded, ["year", "größe"]);
        assert_eq!(header(&added), "view_id,customer_id,url,viewed_at,n,s");
        assert_eq!(added.typed().collect::<Vec<_>>(), [(0, Kind::Bigint)]);

        for catalog in [None, Some(&BASE[..])] {
            let reported = layout(text, catalog, NewColumns::Report);
            assert_eq!(reported.columns.added, []);
            assert_eq!(reported.columns.not_loaded.len(), 4);
            assert_eq!(header(&reported), "view_id,customer_id,url,viewed_at");
        }
        assert_eq!(layout(text, None, NewColumns::Add).columns.added, [], "no table, nothing to add to");
    }

    #[test]
    fn a_file_that_lacks_a_column_of_the_table_ends_where_its_own_columns_do() {
        let text = "view_id,customer_id,url,viewed_at,last\n";
        for (more, expected) in [
            (&[("a", "string"), ("last", "string")][..], ",a,last"),
            (&[("a", "bigint"), ("last", "string")], ""),
            (&[("a", "decimal(3,1)"), ("last", "string")], ""),
            (&[("last", "string"), ("z", "string"), ("n", "bigint")], ",last"),
        ] {
            let layout = layout(text, Some(&with(more)), NewColumns::Add);
            assert_eq!(header(&layout), ["view_id,customer_id,url,viewed_at", expected].concat());
        }
    }
}
