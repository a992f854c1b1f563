-- Page views, as they were extracted: CSV with a header and quoted fields, every column text.
create external table if not exists {{identifier:database}}.`pageviews` (
    `view_id` string,
    `customer_id` string,
    `url` string,
    `viewed_at` string
)
partitioned by (
    `year` string,
    `month` string,
    `day` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\')
stored as textfile
location {{location:location}}
tblproperties ('skip.header.line.count' = '1')
