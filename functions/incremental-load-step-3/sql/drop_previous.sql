-- Removes the table and its data: Athena deletes the files of an Iceberg table that it drops.
drop table if exists {{identifier:database}}.`pageviews_daily_previous`
