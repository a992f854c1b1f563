-- From the watermark on, the views of a day are as many as its raw rows: none is lost, none is counted twice.
-- Days whose files have changed since this run listed them stand aside: the next run computes them again.
select
    count(*) as failures,
    format(
        'days that disagree: %s; views in them: %s, raw rows: %s',
        count(*),
        coalesce(sum(views), 0),
        coalesce(sum(raw_rows), 0)
    ) as numbers,
    min(format('%s: %s of %s', view_date, views, raw_rows)) as examples
from (
    select
        coalesce(computed.view_date, raw.view_date) as view_date,
        coalesce(computed.views, 0) as views,
        coalesce(raw.raw_rows, 0) as raw_rows
    from (
        select view_date, sum(view_count) as views
        from {{identifier:database}}.{{identifier:table}}
        where view_date >= {{date:watermark}}
        group by view_date
    ) as computed
    full outer join (
        select
            cast(year || '-' || month || '-' || day as date) as view_date,
            count(*) as raw_rows
        from {{identifier:database}}."pageviews"
        where year > {{year:watermark}}
            or (year = {{year:watermark}} and month > {{month:watermark}})
            or (year = {{year:watermark}} and month = {{month:watermark}} and day >= {{day:watermark}})
        group by year, month, day
    ) as raw
        on computed.view_date = raw.view_date
) as days
where views <> raw_rows
    and strpos({{string:changed_days}}, cast(view_date as varchar)) = 0
