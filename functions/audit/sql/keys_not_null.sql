-- Every row has a day, a URL and a country.
select
    count(*) as failures,
    format('rows without a day, a URL or a country: %s', count(*)) as numbers,
    min(format('%s %s %s', view_date, url, country)) as examples
from {{identifier:database}}.{{identifier:table}}
where view_date is null or url is null or country is null
