//! What the output must equal: every raw row counted in plain Rust.

use std::path::Path;

use pageviews::recompute::{DailyViews, Key};
use tests::Cloud;

/// Holds the output in `cloud` to a recomputation of the raw zone in `folder`.
pub async fn assert_output_equals(cloud: &Cloud, folder: &Path) {
    let expected = DailyViews::from_raw_zone(folder).expect("a sound raw zone");
    let found = output(cloud).await;
    if let Some((key, found, expected)) = found.first_difference(&expected) {
        panic!("{key:?}: the output counts {found:?}, the raw files {expected:?}");
    }
}

/// The output table, row by row. A key that stands twice fails.
pub async fn output(cloud: &Cloud) -> DailyViews {
    let mut found = DailyViews::default();
    let mut rows = 0;
    for row in cloud.query("select view_date, url, country, view_count from pageviews_daily").await {
        let [Some(date), Some(url), Some(country), Some(count)] = row.as_slice() else { panic!("a NULL in {row:?}") };
        let key = Key { date: date.clone(), url: url.clone(), country: country.clone() };
        found.add(key, count.parse().expect("a count"));
        rows += 1;
    }
    assert_eq!(found.rows(), rows, "a date, URL and country stand in the output twice");
    found
}
