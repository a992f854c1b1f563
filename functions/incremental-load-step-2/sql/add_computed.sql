-- The watermark's day and all that came after it, computed again from raw data: the same counts as in the full load.
--
-- The watermark stands here as text per partition key: only partitions that can hold such days are read at all. The last
-- line makes the statement harmless when it is run again: the temporary table has such days only from this statement.
insert into {{identifier:database}}.{{identifier:table}} (view_date, url, country, view_count)
select
    cast(counted.year || '-' || counted.month || '-' || counted.day as date) as view_date,
    counted.url,
    counted.country,
    counted.view_count
from (
    select
        views.year,
        views.month,
        views.day,
        views.url,
        coalesce(customers.country, 'UNKNOWN') as country,
        count(*) as view_count
    from {{identifier:database}}."pageviews" as views
    left join (
        select
            customer_id,
            min(country) as country
        from {{identifier:database}}."customers"
        group by customer_id
    ) as customers
        on views.customer_id = customers.customer_id
    where views.year > {{year:watermark}}
        or (views.year = {{year:watermark}} and views.month > {{month:watermark}})
        or (views.year = {{year:watermark}} and views.month = {{month:watermark}} and views.day >= {{day:watermark}})
    group by
        views.year,
        views.month,
        views.day,
        views.url,
        coalesce(customers.country, 'UNKNOWN')
) as counted
where (select count(*) from {{identifier:database}}.{{identifier:table}} where view_date >= {{date:watermark}}) = 0
