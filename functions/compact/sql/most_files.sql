-- One row: how many files the partition has that has the most.
select coalesce(max(file_count), 0) as most_files
from {{identifier:database}}."pageviews_daily$partitions"
