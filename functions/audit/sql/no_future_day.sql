-- No day lies ahead. Days are UTC, and so is Athena's current date.
select
    count(*) as failures,
    'rows of days after ' || cast(current_date as varchar) || ': ' || cast(count(*) as varchar) as numbers,
    cast(max(view_date) as varchar) as examples
from {{identifier:database}}.{{identifier:table}}
where view_date > current_date
