"""The gateway process: ``main`` reads its credentials, runs one gateway for one venue, and stops it when asked."""

import asyncio
import signal
import sys
from typing import Final

import structlog
import uvloop

from runtime import kafka, telemetry
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError
from venue_gateways import venues
from venue_gateways.gateway import Gateway
from venue_gateways.lease import LeaseTooShort
from venue_gateways.rotation import Rotation
from venue_gateways.transport import Transport
from venue_gateways.venue import Adapter

#: How soon a thread that has something to do gets the interpreter from another that is busy. Between a placement and
#: its commit, four threads take turns; at Python's own 5 ms the turns would take several times as long as the commit.
_TURN_S: Final = 0.000_5

log = structlog.get_logger()


def main(settings: Settings, venue: str) -> int:
    """Run a gateway to *venue* until SIGTERM or Ctrl-C; the exit code says how that went."""
    sys.setswitchinterval(_TURN_S)
    try:
        telemetry.start(settings, f"gateway-{venue}")
        kafka.take_schema_ids(settings)
        url, stream_url = venues.addresses(venue, settings)
        keys = venues.keys(venue, settings)
        adapter = venues.adapter(venue, settings, keys)
        rotation = Rotation(adapter, lambda: venues.keys(venue, settings), keys)
        uvloop.run(_run(settings, adapter, rotation, url, stream_url))
    except (SettingsError, LeaseTooShort) as error:
        log.error("settings_unusable", error=str(error))  # noqa: TRY400  # what to do is in the message
        return Exit.USAGE
    except Unavailable:
        raise  # the command says what is missing
    except Exception:
        log.exception("gateway_died")
        return Exit.INTERNAL
    return Exit.OK


async def _run(settings: Settings, adapter: Adapter, rotation: Rotation, url: str, stream_url: str) -> None:
    async with Transport(url, settings.concurrent_calls_max + 8) as transport:
        gateway = Gateway(settings, adapter, transport, stream_url)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, gateway.stop)
        rotating = asyncio.create_task(rotation.run(gateway.rekeyed))
        rotating.add_done_callback(gateway.ended)
        await gateway.run()
        rotating.cancel()
