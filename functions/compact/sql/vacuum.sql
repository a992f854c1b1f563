-- Forgets snapshots that are older than the table's properties keep, and removes what only they need. As above.
vacuum {{name:database}}.pageviews_daily
/* round {{number:round}} */
