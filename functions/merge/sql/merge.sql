-- The days from the watermark on become those of the temporary table, in one commit: rows are added, counted anew and removed.
--
-- A key that both have stands in the source once, with what it shall count; one that only the output has is gone. So the
-- source's keys are unique by construction, and run again the statement changes nothing.
-- The watermark stands in the condition as a literal, so that older files are neither read nor written.
merge into {{identifier:database}}."pageviews_daily" as output
using (
    select
        view_date,
        url,
        country,
        sum(view_count) as view_count,
        bool_and(is_old) as is_gone
    from (
        select view_date, url, country, view_count, false as is_old
        from {{identifier:database}}.{{identifier:table}}
        where view_date >= {{date:watermark}}
        union all
        select view_date, url, country, 0 as view_count, true as is_old
        from {{identifier:database}}."pageviews_daily"
        where view_date >= {{date:watermark}}
    ) as both_tables
    group by view_date, url, country
) as computed
    on output.view_date = computed.view_date
        and output.url = computed.url
        and output.country = computed.country
        and output.view_date >= {{date:watermark}}
when matched and computed.is_gone then delete
when matched and output.view_count <> computed.view_count then update set view_count = computed.view_count
when not matched then insert (view_date, url, country, view_count)
    values (computed.view_date, computed.url, computed.country, computed.view_count)
