-- Customers, as they were extracted: CSV with a header and quoted fields, every column text.
create external table if not exists {{identifier:database}}.`customers` (
    `customer_id` string,
    `name` string,
    `email` string,
    `created_at` string
)
partitioned by (
    `country` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\')
stored as textfile
location {{location:location}}
tblproperties ('skip.header.line.count' = '1')
