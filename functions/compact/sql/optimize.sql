-- Puts the small files of each partition together. A statement does a bounded part of it; the comment makes each another one.
optimize {{name:database}}.pageviews_daily rewrite data using bin_pack
/* round {{number:round}} */
