-- Page views per day, URL and country: one row for each combination that was seen.
-- By month: Athena writes at most 100 partitions in one statement, and a full load by day would need more after 100 days.
create table if not exists {{identifier:database}}.`pageviews_daily` (
    view_date date,
    url string,
    country string,
    view_count bigint
)
partitioned by (month(view_date))
location {{location:location}}
tblproperties (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'snappy',
    'write_target_data_file_size_bytes' = '268435456'
)
