-- One row: how many rows the output has, and the day that it ends with (null if it has none).
select
    count(*) as row_count,
    max(view_date) as watermark
from {{identifier:database}}."pageviews_daily"
