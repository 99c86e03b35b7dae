"""From a subcommand to its process: which module's ``main`` it is, whose rights it needs, how it may end."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Final, NoReturn

import structlog
import typer

from runtime import settings as settings_module
from runtime import telemetry
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.settings import SettingsError

#: Where each subcommand's ``main(settings, **options) -> int`` is. By name: the layers above may import this one only.
ENTRIES: Final = {
    "demo": "runtime.demo",
    "chaos": "runtime.chaos",
    "soak": "runtime.soak",
    "up": "runtime.supervisor",
    "jars": "runtime.jars",
    "broker": "runtime.broker",
    "topics": "runtime.topics",
    "acls": "runtime.acls",
    "worker": "agents.worker",
    "gateway": "venue_gateways.worker",
    "reconcile": "venue_gateways.reconciliation.command",
    "sink": "analytics.sink",
    "clickhouse": "analytics.service",
    "analytics migrate": "analytics.migrate",
    "analytics status": "analytics.status",
    "analytics rebuild": "analytics.rebuild",
    "probe": "observation.probe",
    "doctor": "observation.doctor.command",
    "simulator": "venue_gateways.simulator.server",
    "dlq list": "runtime.dlq.listing",
    "dlq show": "runtime.dlq.show",
    "dlq replay": "runtime.dlq.replay",
    "audit": "agents.audit",
    "report": "analytics.report.command",
    "venue list": "venue_gateways.debugging.listing",
    "venue sign": "venue_gateways.debugging.sign",
    "venue request": "venue_gateways.debugging.request",
    "venue seal": "venue_gateways.debugging.seal",
    "venue cancel-all": "venue_gateways.kill_switch",
}

#: For commands that talk to Kafka: whose rights their account must have; with none, it only has to be let in.
ROLES: Final = {
    "worker": "worker",
    "gateway": "gateway-{venue}",
    "sink": "sink",
    "probe": "probe",
    "topics": "",
    "acls": "",
    "dlq list": "",
    "dlq show": "",
    "dlq replay": "",
    "analytics rebuild": "",
    "audit": "",
    "doctor": "",
    "reconcile": "",
}


def run(name: str, **options: object) -> NoReturn:
    """Run the entry *name* and end with its exit code."""
    with exit_codes():
        settings = settings_module.load()
        telemetry.configure_logging(settings, name)
        if name in ROLES and settings.security_protocol != "PLAINTEXT":  # else the broker asks nobody who they are
            importlib.import_module("runtime.access").ensure(settings, ROLES[name].format(**options))
        main = importlib.import_module(ENTRIES[name]).main
        raise typer.Exit(main(settings, **options))
    raise AssertionError("unreachable: the block above always raises")


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what can go wrong into a line on stderr and an exit code."""
    try:
        yield
    except SettingsError as error:
        _give_up(f"settings: {error}", Exit.USAGE)
    except CheckFailed as error:
        _give_up(str(error), Exit.CHECK_FAILED)
    except Unavailable as error:
        _give_up(str(error), Exit.TEMPORARY)
    except KeyboardInterrupt:
        _give_up("interrupted", Exit.TEMPORARY)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        structlog.get_logger().exception("process_failed")
        raise typer.Exit(Exit.INTERNAL) from error


def _give_up(message: str, code: Exit) -> NoReturn:
    typer.echo(f"fillstream: {message}", err=True)
    raise typer.Exit(code)
