"""A gateway as a process of its own, for a venue name that only one test uses: ``gateway_process.py NAME [hurried]``.

The name begins with that of the venue whose adapter it is, and a hyphen. In a hurry it waits a tenth of what any
gateway does, for answers and between looks.
"""

import sys

from runtime import settings
from venue_gateways import guard, polling, transport, venues, worker

name, *hurried = sys.argv[1:]
venues.VENUES[name] = venues.VENUES[name.partition("-")[0]]
if hurried:
    transport.READ_TIMEOUT_S = 1.0
    polling.DOWN_INTERVAL_S = 0.3
    polling._SETTLING_US = 500_000
    guard._WITNESS_US = 200_000
sys.exit(worker.main(settings.load(), name))
