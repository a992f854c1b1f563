-- Every row has a day, a URL and a country.
select
    count(*) as failures,
    'rows without a day, a URL or a country: ' || cast(count(*) as varchar) as numbers,
    min(
        coalesce(cast(view_date as varchar), 'no day') || ' ' || coalesce(url, 'no URL') || ' '
            || coalesce(country, 'no country')
    ) as examples
from {{identifier:database}}.{{identifier:table}}
where view_date is null or url is null or country is null
