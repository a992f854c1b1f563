-- The database of all tables, raw and curated.
create database if not exists {{identifier:database}}
comment 'Page views per day, URL and country, and the raw data behind them'
