"""A trial of the whole system: a made-up crowd's traffic, what follows it, and the oracle that judges it."""
