"""How hard the searches try: for hours if ``HYPOTHESIS_PROFILE=nightly``, for seconds unless set."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

NIGHTLY: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci") == "nightly"
WALKS: Final = 20_000 if NIGHTLY else 40
LIES: Final = 20_000 if NIGHTLY else 30
WALK_LENGTH: Final = 400
SEARCH: Final = settings(
    deadline=None,
    max_examples=20_000 if NIGHTLY else 60,
    stateful_step_count=50 if NIGHTLY else 30,
    suppress_health_check=[HealthCheck.too_slow],
)
