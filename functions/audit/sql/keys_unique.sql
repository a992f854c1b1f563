-- A day, a URL and a country have one row.
select
    count(*) as failures,
    format('keys that occur more than once: %s', count(*)) as numbers,
    case when count(*) > 1 then format('%s; %s', min(example), max(example)) else min(example) end as examples
from (
    select format('%s %s %s', view_date, url, country) as example
    from {{identifier:database}}.{{identifier:table}}
    group by view_date, url, country
    having count(*) > 1
) as doubled
