-- No day lies ahead. Days are UTC, and so is Athena's current date.
select
    count(*) as failures,
    format('rows of days after %s: %s', current_date, count(*)) as numbers,
    cast(max(view_date) as varchar) as examples
from {{identifier:database}}.{{identifier:table}}
where view_date > current_date
