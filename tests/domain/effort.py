"""How hard the searches try: ``HYPOTHESIS_PROFILE=nightly`` for a long one, ``ci`` unless set."""

import os
from typing import Final

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci")
WALKS: Final = {"ci": 40, "nightly": 2_000}[PROFILE]
LIES: Final = {"ci": 30, "nightly": 2_000}[PROFILE]
WALK_LENGTH: Final = 400
