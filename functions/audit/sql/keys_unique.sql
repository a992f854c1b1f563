-- A day, a URL and a country have one row.
select
    count(*) as failures,
    'keys that occur more than once: ' || cast(count(*) as varchar) as numbers,
    min(example) || case when min(example) <> max(example) then '; ' || max(example) else '' end as examples
from (
    select cast(view_date as varchar) || ' ' || url || ' ' || country as example
    from {{identifier:database}}.{{identifier:table}}
    group by view_date, url, country
    having count(*) > 1
) as doubled
