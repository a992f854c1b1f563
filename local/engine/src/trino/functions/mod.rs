//! Trino's functions: the only ones a query can call.
//! Source: <https://trino.io/docs/current/functions.html>

mod arrays;
mod binary;
mod datetime;
mod fields;
mod format;
mod intervals;
mod json;
mod maps;
mod math;
mod patterns;
mod regex;
mod row;
mod strings;
mod url;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use datafusion::functions_aggregate as aggregate;
use datafusion::functions_window as window;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use super::{aggregates, conditional};

/// Every scalar function, those that only rewrites call included.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    let mut all = Vec::new();
    all.extend(strings::functions());
    all.extend(regex::functions());
    all.extend(binary::functions());
    all.extend(url::functions());
    all.extend(datetime::functions());
    all.extend(fields::functions());
    all.extend(intervals::functions());
    all.extend(format::functions());
    all.extend(json::functions());
    all.extend(math::functions());
    all.extend(arrays::functions());
    all.extend(maps::functions());
    all.extend(conditional::functions());
    all
}

/// Every aggregate function.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut all = vec![
        aggregate::count::count_udaf(),
        aggregate::min_max::min_udaf(),
        aggregate::min_max::max_udaf(),
        aggregate::bool_and_or::bool_and_udaf(),
        aggregate::bool_and_or::bool_or_udaf(),
        aggregate::array_agg::array_agg_udaf(),
        aggregate::first_last::first_value_udaf(),
        aggregate::approx_distinct::approx_distinct_udaf(),
        aggregate::approx_percentile_cont::approx_percentile_cont_udaf(),
        aggregate::string_agg::string_agg_udaf(),
        aggregate::stddev::stddev_udaf(),
        aggregate::stddev::stddev_pop_udaf(),
        aggregate::variance::var_samp_udaf(),
        aggregate::variance::var_pop_udaf(),
        aggregate::covariance::covar_samp_udaf(),
        aggregate::covariance::covar_pop_udaf(),
        aggregate::correlation::corr_udaf(),
        aggregate::regr::regr_slope_udaf(),
        aggregate::regr::regr_intercept_udaf(),
        aggregate::bit_and_or_xor::bit_and_udaf(),
        aggregate::bit_and_or_xor::bit_or_udaf(),
        aggregate::bit_and_or_xor::bit_xor_udaf(),
        aggregate::grouping::grouping_udaf(),
    ];
    all.extend(aggregates::functions());
    all
}

/// Every window function that is no aggregate.
pub(crate) fn windows() -> Vec<Arc<WindowUDF>> {
    vec![
        window::row_number::row_number_udwf(),
        window::rank::rank_udwf(),
        window::rank::dense_rank_udwf(),
        window::rank::percent_rank_udwf(),
        window::cume_dist::cume_dist_udwf(),
        window::ntile::ntile_udwf(),
        window::lead_lag::lag_udwf(),
        window::lead_lag::lead_udwf(),
        window::nth_value::first_value_udwf(),
        window::nth_value::last_value_udwf(),
        window::nth_value::nth_value_udwf(),
    ]
}

/// Whether a name, in lower case, can be called.
pub(crate) fn is_known(name: &str) -> bool {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let scalars = scalars().into_iter().map(|f| f.name().to_owned());
        let aggregates = aggregates().into_iter().flat_map(|f| {
            let aliases = f.aliases().to_vec();
            std::iter::once(f.name().to_owned()).chain(aliases)
        });
        let windows = windows().into_iter().map(|f| f.name().to_owned());
        scalars.chain(aggregates).chain(windows).collect()
    });
    !name.starts_with('$') && names.contains(name)
}

/// Whether Trino has a function that this engine has not.
pub(crate) fn is_trinos(name: &str) -> bool {
    MISSING.contains(&name)
        || ["st_", "geometry_", "bing_tile", "to_geometry", "json_", "tdigest_", "hmac_", "map_", "regexp_"]
            .iter()
            .any(|family| name.starts_with(family))
}

/// Trino's functions that are refused by name.
/// Source: <https://trino.io/docs/current/functions/list.html>
const MISSING: [&str; 83] = [
    "all_match",
    "any_match",
    "none_match",
    "filter",
    "transform",
    "transform_keys",
    "transform_values",
    "reduce",
    "reduce_agg",
    "zip",
    "zip_with",
    "approx_most_frequent",
    "approx_set",
    "array_first",
    "array_histogram",
    "bar",
    "beta_cdf",
    "checksum",
    "char2hexint",
    "classify",
    "color",
    "combinations",
    "convex_hull_agg",
    "cosine_similarity",
    "current_catalog",
    "current_groups",
    "current_path",
    "current_role",
    "current_schema",
    "current_time",
    "current_user",
    "date_add_days",
    "empty_approx_set",
    "entropy",
    "evaluate_classifier_predictions",
    "features",
    "from_big_endian_32",
    "from_big_endian_64",
    "from_ieee754_32",
    "from_ieee754_64",
    "from_unixtime_nanos",
    "from_iso8601_timestamp_nanos",
    "hash_counts",
    "human_readable_seconds",
    "index",
    "intersection_cardinality",
    "inverse_beta_cdf",
    "inverse_normal_cdf",
    "jaccard_index",
    "kurtosis",
    "learn_classifier",
    "learn_regressor",
    "line_locate_point",
    "localtime",
    "luhn_check",
    "merge",
    "merge_set_digest",
    "make_set_digest",
    "multimap_agg",
    "multimap_from_entries",
    "murmur3",
    "ngrams",
    "normal_cdf",
    "normalize",
    "numeric_histogram",
    "parse_duration",
    "parse_presto_data_size",
    "parse_data_size",
    "qdigest_agg",
    "regress",
    "render",
    "rgb",
    "set_agg",
    "sha1",
    "shuffle",
    "skewness",
    "soundex",
    "spooky_hash_v2_32",
    "timezone_hour",
    "timezone_minute",
    "to_milliseconds",
    "word_stem",
    "xxhash64",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_is_read_and_every_name_is_new() {
        let names: Vec<_> = scalars().iter().map(|f| f.name().to_owned()).collect();
        assert!(!names.iter().any(String::is_empty), "a signature is not in the notation");
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn what_is_missing_is_missing() {
        for name in MISSING {
            assert!(!is_known(name), "{name} is there");
        }
    }
}
