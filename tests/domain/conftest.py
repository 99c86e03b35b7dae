"""Hypothesis, as hard as `effort` says."""

from hypothesis import HealthCheck, settings

from tests.domain.effort import PROFILE

settings.register_profile("ci", deadline=None, max_examples=100, stateful_step_count=50)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=5_000,
    stateful_step_count=80,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(PROFILE)
