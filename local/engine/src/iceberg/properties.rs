//! Table properties: Athena's names, the names that Iceberg stores them under, and what they mean to a writer.
//!
//! Sources: <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html>,
//! <https://iceberg.apache.org/docs/latest/configuration/>

use std::collections::HashMap;

use ::iceberg::spec::TableMetadata;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use crate::catalog::Parameters;
use crate::{Error, Result};

const CODEC: &str = "write.parquet.compression-codec";
const LEVEL: &str = "write.parquet.compression-level";
const FORMAT: &str = "write.format.default";
const TARGET_SIZE: &str = "write.target-file-size-bytes";
const SNAPSHOT_AGE: &str = "history.expire.max-snapshot-age-ms";
const SNAPSHOTS: &str = "history.expire.min-snapshots-to-keep";
const DATA_FILES: &str = "optimize_rewrite_data_file_threshold";
const DELETE_FILES: &str = "optimize_rewrite_delete_file_threshold";
const LEAST_SIZE: &str = "optimize_rewrite_min_data_file_size_bytes";
const MOST_SIZE: &str = "optimize_rewrite_max_data_file_size_bytes";

/// Athena's names beside Iceberg's. The thresholds of `OPTIMIZE` have no name in Iceberg: Athena
/// keeps them as they are.
const NAMES: [(&str, &str); 11] = [
    ("format", FORMAT),
    ("write_compression", CODEC),
    ("compression_level", LEVEL),
    ("write_target_data_file_size_bytes", TARGET_SIZE),
    ("vacuum_min_snapshots_to_keep", SNAPSHOTS),
    ("vacuum_max_snapshot_age_seconds", SNAPSHOT_AGE),
    ("vacuum_max_metadata_files_to_keep", "write.metadata.previous-versions-max"),
    ("optimize_rewrite_data_file_threshold", DATA_FILES),
    ("optimize_rewrite_delete_file_threshold", DELETE_FILES),
    ("optimize_rewrite_min_data_file_size_bytes", LEAST_SIZE),
    ("optimize_rewrite_max_data_file_size_bytes", MOST_SIZE),
];

/// `write.target-file-size-bytes` where the table says nothing.
const DEFAULT_TARGET_SIZE: usize = 512 << 20;

/// Translates what `TBLPROPERTIES` or CTAS's `WITH` gave. Athena allows a fixed list; another name is an error.
pub(super) fn to_iceberg(given: &Parameters) -> Result<HashMap<String, String>> {
    let mut properties = HashMap::from([(FORMAT.to_owned(), "parquet".to_owned())]);
    for (key, value) in given {
        let name = key.to_ascii_lowercase();
        // They say what kind of table it is; the catalog's entry holds that.
        if ["table_type", "is_external", "location"].contains(&name.as_str()) {
            continue;
        }
        let Some((_, stored)) = NAMES.iter().find(|(athena, _)| *athena == name) else {
            return Err(super::refused("INVALID_TABLE_PROPERTY", format!("Unsupported table property key: {key}")));
        };
        match name.as_str() {
            "format" if !value.eq_ignore_ascii_case("parquet") => {
                return Err(Error::unsupported(format!("Iceberg tables in format {value}")));
            }
            "vacuum_max_snapshot_age_seconds" => {
                let millis = number(key, value)?.saturating_mul(1000);
                properties.insert(SNAPSHOT_AGE.to_owned(), millis.to_string());
                continue;
            }
            "format" | "write_compression" => {}
            _ => {
                number(key, value)?;
            }
        }
        properties.insert((*stored).to_owned(), value.to_ascii_lowercase());
    }
    // Athena's default since engine version 3, written down so that every other writer follows it.
    properties.entry(CODEC.to_owned()).or_insert_with(|| "zstd".to_owned());
    codec(&properties)?;
    Ok(properties)
}

/// The other way.
pub(super) fn to_athena(metadata: &TableMetadata) -> Parameters {
    let mut shown = Parameters::from([("table_type".to_owned(), "iceberg".to_owned())]);
    for (key, value) in metadata.properties() {
        let athena = NAMES.iter().find(|(_, iceberg)| iceberg == key).map_or(key.as_str(), |(athena, _)| athena);
        let seconds =
            value.parse::<u64>().ok().filter(|_| key == SNAPSHOT_AGE).map(|millis| (millis / 1000).to_string());
        shown.insert(athena.to_owned(), seconds.unwrap_or_else(|| value.clone()));
    }
    shown
}

/// How a table wants its Parquet compressed.
pub(super) fn codec(properties: &HashMap<String, String>) -> Result<Compression> {
    let level = properties.get(LEVEL).map(|level| level.parse::<i32>());
    let bad_level = || super::refused("INVALID_TABLE_PROPERTY", "compression_level is not a level of this codec");
    let level = level.transpose().map_err(|_| bad_level())?;
    match properties.get(CODEC).map_or("zstd", String::as_str).to_ascii_lowercase().as_str() {
        "snappy" => Ok(Compression::SNAPPY),
        // Iceberg's own default level is 3: https://github.com/apache/iceberg/pull/8593
        "zstd" => ZstdLevel::try_new(level.unwrap_or(3)).map(Compression::ZSTD).map_err(|_| bad_level()),
        "gzip" => {
            let level = level.map_or(Ok(GzipLevel::default()), |level| {
                u32::try_from(level)
                    .map_err(|_| bad_level())
                    .and_then(|level| GzipLevel::try_new(level).map_err(|_| bad_level()))
            });
            level.map(Compression::GZIP)
        }
        "none" | "uncompressed" => Ok(Compression::UNCOMPRESSED),
        other => Err(Error::unsupported(format!("Parquet compressed with {other}"))),
    }
}

/// How large a data file may grow, in bytes.
pub(super) fn target_file_size(properties: &HashMap<String, String>) -> usize {
    properties
        .get(TARGET_SIZE)
        .and_then(|size| size.parse().ok())
        .filter(|size| *size > 0)
        .unwrap_or(DEFAULT_TARGET_SIZE)
}

/// How old a snapshot may grow: five days where the table says nothing, for Athena and for Iceberg.
pub(super) fn snapshot_age_millis(properties: &HashMap<String, String>) -> i64 {
    stored(properties, SNAPSHOT_AGE).unwrap_or(432_000_000)
}

/// How many snapshots stay, however old.
pub(super) fn snapshots_to_keep(properties: &HashMap<String, String>) -> usize {
    stored(properties, SNAPSHOTS).unwrap_or(1)
}

/// What `OPTIMIZE` goes by.
#[derive(Debug)]
pub(super) struct Thresholds {
    /// A file of another size is to be written anew.
    pub(super) sizes: std::ops::RangeInclusive<u64>,
    /// If there are so many of them.
    pub(super) data_files: usize,
    /// And a file that has so many delete files, in any case.
    pub(super) delete_files: usize,
}

impl Thresholds {
    /// Those of a table, or Athena's defaults.
    pub(super) fn of(properties: &HashMap<String, String>) -> Self {
        let target = target_file_size(properties) as u64;
        let least = stored(properties, LEAST_SIZE).unwrap_or(target / 4 * 3);
        let most = stored(properties, MOST_SIZE).unwrap_or(target / 5 * 9);
        Self {
            sizes: least..=most,
            data_files: stored(properties, DATA_FILES).unwrap_or(5).max(1),
            delete_files: stored(properties, DELETE_FILES).unwrap_or(2).max(1),
        }
    }
}

fn stored<T: std::str::FromStr>(properties: &HashMap<String, String>, key: &str) -> Option<T> {
    properties.get(key).and_then(|value| value.parse().ok())
}

fn number(key: &str, value: &str) -> Result<u64> {
    let refuse =
        |_| super::refused("INVALID_TABLE_PROPERTY", format!("Table property {key} is not a number: {value:?}"));
    value.trim().parse().map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn athena_names_become_iceberg_names() {
        let properties = to_iceberg(&given(&[
            ("table_type", "ICEBERG"),
            ("format", "PARQUET"),
            ("write_compression", "SNAPPY"),
            ("write_target_data_file_size_bytes", "268435456"),
            ("vacuum_max_snapshot_age_seconds", "432000"),
        ]))
        .unwrap();
        assert_eq!(properties[CODEC], "snappy");
        assert_eq!(properties[SNAPSHOT_AGE], "432000000");
        assert_eq!(target_file_size(&properties), 268_435_456);
        assert_eq!(codec(&properties).unwrap(), Compression::SNAPPY);
        assert!(!properties.contains_key("table_type"));
    }

    #[test]
    fn without_a_word_it_is_zstd_as_in_engine_version_3() {
        let properties = to_iceberg(&Parameters::new()).unwrap();
        assert!(matches!(codec(&properties).unwrap(), Compression::ZSTD(_)));
    }

    #[test]
    fn an_unknown_name_or_value_is_refused() {
        let refusal = |pairs: &[(&str, &str)]| to_iceberg(&given(pairs)).unwrap_err().to_string();
        assert!(
            refusal(&[("write_compresion", "snappy")]).contains("Unsupported table property key: write_compresion")
        );
        assert!(refusal(&[("format", "orc")]).contains("NOT_SUPPORTED"));
        assert!(refusal(&[("write_compression", "brotli")]).contains("brotli"));
        assert!(refusal(&[("vacuum_min_snapshots_to_keep", "many")]).contains("not a number"));
    }
}
