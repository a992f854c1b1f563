-- One row: how many trusted rows the temporary table holds.
select count(*) as row_count
from {{identifier:database}}.{{identifier:table}}
where view_date < {{date:watermark}}
