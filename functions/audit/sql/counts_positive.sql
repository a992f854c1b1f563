-- Every row counts at least one view.
select
    count(*) as failures,
    format('rows without a view: %s', count(*)) as numbers,
    min(format('%s %s %s: %s', view_date, url, country, view_count)) as examples
from {{identifier:database}}.{{identifier:table}}
where view_count is null or view_count < 1
