//! The raw zone's layout: which folders and columns the pipeline's tables read.
//!
//! `customers/country=USA/*.csv` and `pageviews/year=2026/month=01/day=31/*.csv`, below `raw/` in the lake.

use chrono::{Datelike as _, NaiveDate};

/// Where the raw zone lies in the lake's bucket.
pub const PREFIX: &str = "raw/";
/// Columns of a customer file, in order.
pub const CUSTOMERS_COLUMNS: [&str; 4] = ["customer_id", "name", "email", "created_at"];
/// Columns of a page view file, in order.
pub const PAGEVIEWS_COLUMNS: [&str; 4] = ["view_id", "customer_id", "url", "viewed_at"];

/// The folder of one country's customers, relative to the raw zone.
pub fn customers_folder(country: &str) -> String {
    format!("customers/country={country}")
}

/// The folder of one day's page views, relative to the raw zone.
pub fn pageviews_folder(date: NaiveDate) -> String {
    format!("pageviews/year={:04}/month={:02}/day={:02}", date.year(), date.month(), date.day())
}

/// The date that `year=2026/month=01/day=31` stands for; `None` when it is not one, or not written like this.
pub fn partition_date(folder: &str) -> Option<NaiveDate> {
    let mut parts = folder.split('/');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u32>().ok())?
    };
    let year = i32::try_from(number(year.strip_prefix("year=")?, 4)?).ok()?;
    let month = number(month.strip_prefix("month=")?, 2)?;
    let day = number(day.strip_prefix("day=")?, 2)?;
    parts.next().is_none().then(|| NaiveDate::from_ymd_opt(year, month, day))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_folder_is_a_real_date_with_all_its_digits() {
        let date = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        assert_eq!(partition_date(pageviews_folder(date).strip_prefix("pageviews/").unwrap()), Some(date));
        for wrong in ["year=2026/month=02/day=30", "year=2026/month=1/day=31", "year=2026/month=01", "2026/01/31"] {
            assert_eq!(partition_date(wrong), None, "{wrong}");
        }
        assert_eq!(partition_date("year=2026/month=01/day=31/hour=00"), None);
    }
}
