-- Registers every year=/month=/day= folder that is not registered yet. Never removes one.
msck repair table `pageviews`
