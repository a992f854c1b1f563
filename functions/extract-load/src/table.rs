//! The two kinds of files, and what each of their rows must hold.

use shared::sql::Location;

/// A table of the raw zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Customers,
    Pageviews,
}

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Customers, Self::Pageviews];

    /// Its name, which is also its folder's below the inbox.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Pageviews => "pageviews",
        }
    }

    /// The table whose folder below the inbox holds `key`.
    pub(crate) fn of_key(inbox: &Location, key: &str) -> Option<Self> {
        let (folder, _) = key.strip_prefix(inbox.prefix())?.split_once('/')?;
        Self::ALL.into_iter().find(|table| table.name() == folder)
    }

    /// The columns that every file has.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["customer_id", "name", "email", "created_at", "country"],
            Self::Pageviews => &["view_id", "customer_id", "url", "viewed_at"],
        }
    }

    /// The columns that the raw table begins with: those above without the one that becomes the partition.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["customer_id", "name", "email", "created_at"],
            Self::Pageviews => self.required(),
        }
    }

    /// The column that may not be empty.
    pub(crate) fn key(self) -> &'static str {
        self.required()[0]
    }

    /// The column that decides the partition.
    pub(crate) fn partition_source(self) -> &'static str {
        match self {
            Self::Customers => "country",
            Self::Pageviews => "viewed_at",
        }
    }

    /// The table's partition keys, whose names no other column may have.
    pub(crate) fn partition_keys(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["country"],
            Self::Pageviews => &["year", "month", "day"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_below_the_inbox_is_the_table() {
        let inbox = canned::location("s3://lake/inbox/");
        assert_eq!(Table::of_key(&inbox, "inbox/customers/a.csv"), Some(Table::Customers));
        assert_eq!(Table::of_key(&inbox, "inbox/pageviews/2026/a.csv"), Some(Table::Pageviews));
        for key in ["inbox/a.csv", "inbox/other/a.csv", "raw/customers/a.csv", "inbox/customers"] {
            assert_eq!(Table::of_key(&inbox, key), None, "{key}");
        }
    }
}
