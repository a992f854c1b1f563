-- The days before the watermark, as they are: their files are those that they were made of.
-- Athena takes no quotes around the name of a table that it creates in this way.
create table {{name:database}}.{{name:table}}
with (
    table_type = 'ICEBERG',
    is_external = false,
    location = {{location:location}},
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    write_target_data_file_size_bytes = 268435456,
    partitioning = array['month(view_date)']
)
as
select
    view_date,
    url,
    country,
    view_count
from {{identifier:database}}."pageviews_daily"
where view_date < {{date:watermark}}
