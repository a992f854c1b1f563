-- One row: how many computed rows the temporary table holds, and how many of them are of the output's last day.
select
    count(*) as computed,
    count(case when view_date = {{date:latest_day}} then 1 end) as of_latest_day
from {{identifier:database}}.{{identifier:table}}
where view_date >= {{date:watermark}}
