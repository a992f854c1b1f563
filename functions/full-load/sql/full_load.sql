-- Everything: page views per day, URL and country, one row for each combination.
--
-- A customer listed twice counts once, under the smallest country; a view of an unknown customer counts as UNKNOWN.
-- The last condition makes the statement harmless when it is run again: into a table with rows it inserts nothing.
-- The comment behind it names the run's temporary table, as each of its statements that write does: by that name a run's
-- queries are found and stopped when it is gone.
insert into {{identifier:database}}."pageviews_daily" (view_date, url, country, view_count)
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
where (select count(*) from {{identifier:database}}."pageviews_daily") = 0
/* {{name:temporary_table}} */
