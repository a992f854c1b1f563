-- No day that the output has becomes empty, or loses a larger share of its views than the parameter allows.
-- The days before the watermark are copied as they are.
select
    count(*) as failures,
    format('days that lose more than {{number:max_shrink_percent}} %% of their views: %s', count(*)) as numbers,
    min(format('%s: %s -> %s', view_date, before, after)) as examples
from (
    select
        live.view_date,
        live.views as before,
        coalesce(computed.views, 0) as after
    from (
        select view_date, sum(view_count) as views
        from {{identifier:database}}."pageviews_daily"
        where view_date >= {{date:watermark}}
        group by view_date
    ) as live
    left join (
        select view_date, sum(view_count) as views
        from {{identifier:database}}.{{identifier:table}}
        where view_date >= {{date:watermark}}
        group by view_date
    ) as computed
        on live.view_date = computed.view_date
) as days
where (before - after) * 100 > {{number:max_shrink_percent}} * before
    or (after = 0 and {{number:max_shrink_percent}} <= 100)
