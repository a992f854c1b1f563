-- From the watermark on, the share of views without a known country is within the parameter.
select
    case when unknown_views * 100 > {{number:max_unknown_percent}} * views then 1 else 0 end as failures,
    format(
        'views without a known country: %s of %s, allowed are {{number:max_unknown_percent}} %%',
        unknown_views,
        views
    ) as numbers,
    cast(first_day as varchar) as examples
from (
    select
        coalesce(sum(case when country = 'UNKNOWN' then view_count else 0 end), 0) as unknown_views,
        coalesce(sum(view_count), 0) as views,
        min(case when country = 'UNKNOWN' then view_date end) as first_day
    from {{identifier:database}}.{{identifier:table}}
    where view_date >= {{date:watermark}}
) as counted
