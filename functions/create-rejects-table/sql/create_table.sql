-- Rows that were not loaded, as extract-load writes them: CSV with a header and quoted fields, every column text.
create external table if not exists {{identifier:database}}.`rejects` (
    `table_name` string,
    `source` string,
    `line` string,
    `reason` string,
    `raw` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\')
stored as textfile
location {{location:location}}
tblproperties ('skip.header.line.count' = '1')
