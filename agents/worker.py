"""The worker process: one member of the group that owns the partitions."""

from agents import app
from runtime import instruments, kafka, telemetry, topics
from runtime.settings import Settings
from streaming.app import run


def main(settings: Settings) -> int:
    """Runs a worker until it is told to stop; returns its exit code."""
    telemetry.start(settings, settings.worker_id)
    kafka.take_schema_ids(settings)
    rules = instruments.load(settings.instruments)
    topics.ensure(settings, tuple(sorted(rules.venues)))
    return run(app.build(settings, rules), settings)
