-- One row: how many rows the output has.
select count(*) as row_count
from {{identifier:database}}."pageviews_daily"
