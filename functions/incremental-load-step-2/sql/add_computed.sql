-- The watermark's day and all that came after it, computed again from raw data: the same counts as in the full load.
--
-- The watermark stands here as text per partition key: only partitions that can hold such days are read at all. The last
-- line makes the statement harmless when it is run again: the temporary table has such days only from this statement.
insert into {{identifier:database}}.{{identifier:table}} (view_date, url, country, view_count)
select
    counted.view_date,
    counted.url,
    counted.country,
    counted.view_count
from (
    select
        views.view_date,
        views.url,
        coalesce(customers.country, 'UNKNOWN') as country,
        count(*) as view_count
    from (
        select
            cast(year || '-' || month || '-' || day as date) as view_date,
            url,
            customer_id
        from {{identifier:database}}."pageviews"
        where year > {{year:watermark}}
            or (year = {{year:watermark}} and month > {{month:watermark}})
            or (year = {{year:watermark}} and month = {{month:watermark}} and day >= {{day:watermark}})
    ) as views
    left join (
        select
            customer_id,
            min(country) as country
        from {{identifier:database}}."customers"
        group by customer_id
    ) as customers
        on views.customer_id = customers.customer_id
    group by
        views.view_date,
        views.url,
        coalesce(customers.country, 'UNKNOWN')
) as counted
where (select count(*) from {{identifier:database}}.{{identifier:table}} where view_date >= {{date:watermark}}) = 0
