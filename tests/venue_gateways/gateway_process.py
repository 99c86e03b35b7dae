"""A gateway as a process of its own, for a venue name that only one test uses: ``gateway_process.py NAME [WORD…]``.

The name begins with that of the venue whose adapter it is, and a hyphen. ``hurried``: it waits a tenth of what any
gateway does, for answers and between looks. ``impatient``: it leaves a venue alone for a quarter of a second at most,
whatever the venue asks for, and believes that Kraken's counters are generous (:mod:`tests.venue_gateways.generous`).
"""

import sys

from msgspec.structs import replace

from runtime import settings
from tests.venue_gateways import generous
from venue_gateways import calls, guard, polling, transport, venues, worker

_WAIT_MAX_US = 250_000

name, *words = sys.argv[1:]
venues.VENUES[name] = venues.VENUES[name.partition("-")[0]]
if "hurried" in words:
    transport.READ_TIMEOUT_S = 1.0
    polling.DOWN_INTERVAL_S = 0.3
    polling._SETTLING_US = 500_000
    guard._WITNESS_US = 200_000
if "impatient" in words:
    generous.counters()
    read = calls.Caller._read

    def briefly(self, *arguments):
        answer = read(self, *arguments)
        return replace(answer, wait_us=min(answer.wait_us, _WAIT_MAX_US))

    calls.Caller._read = briefly
sys.exit(worker.main(settings.load(), name))
