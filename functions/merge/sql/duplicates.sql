-- One row: how many keys the output has more than once from the watermark on, and two of them.
select
    count(*) as duplicates,
    min(key) || case when min(key) <> max(key) then '; ' || max(key) else '' end as examples
from (
    select cast(view_date as varchar) || ' ' || url || ' ' || country as key
    from {{identifier:database}}."pageviews_daily"
    where view_date >= {{date:watermark}}
    group by view_date, url, country
    having count(*) > 1
) as doubled
