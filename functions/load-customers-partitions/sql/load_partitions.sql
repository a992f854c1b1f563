-- Registers every country= folder that is not registered yet. Never removes one.
msck repair table `customers`
