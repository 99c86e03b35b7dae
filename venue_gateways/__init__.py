"""Gateways to the venues: worker, throttle, breaker, one module a venue."""
