"""A gateway as a process of its own, for a venue name that only one test uses: ``python gateway_process.py NAME``."""

import sys

from runtime import settings
from venue_gateways import venues, worker

name = sys.argv[1]
venues.VENUES[name] = venues.VENUES["simulated"]
sys.exit(worker.main(settings.load(), name))
