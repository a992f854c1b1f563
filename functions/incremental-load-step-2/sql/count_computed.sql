-- One row: how many computed rows the temporary table holds, and how many of them are of the watermark's day.
select
    count(*) as computed,
    count(case when view_date = {{date:watermark}} then 1 end) as of_watermark
from {{identifier:database}}.{{identifier:table}}
where view_date >= {{date:watermark}}
