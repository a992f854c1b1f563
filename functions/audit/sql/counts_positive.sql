-- Every row counts at least one view.
select
    count(*) as failures,
    'rows without a view: ' || cast(count(*) as varchar) as numbers,
    min(
        cast(view_date as varchar) || ' ' || url || ' ' || country || ': '
            || coalesce(cast(view_count as varchar), 'null')
    ) as examples
from {{identifier:database}}.{{identifier:table}}
where view_count is null or view_count < 1
