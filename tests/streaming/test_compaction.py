"""What the broker's compaction has left of the changelogs is all that a restart needs."""

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from runtime import kafka
from tests.streaming.fleet import Fleet, until

#: Segments that are full after a moment, and a cleaner that never rests: otherwise it takes hours.
EAGER = {"segment.ms": "300", "min.cleanable.dirty.ratio": "0.01", "min.compaction.lag.ms": "0"}
RESTLESS = {"log.cleaner.backoff.ms": "100"}


@pytest.fixture
def fleet(fresh_broker, unique, tmp_path):
    with Fleet(fresh_broker.bootstrap, unique("compacted"), tmp_path, partitions=1) as running:
        admin = AdminClient(kafka.client(running.settings))
        changelogs = (running.plan.counts.name, running.plan.positions.name)
        changes = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries(EAGER)) for name in changelogs]
        changes.append(ConfigResource(ResourceType.BROKER, "1", incremental_configs=entries(RESTLESS)))
        for done in admin.incremental_alter_configs(changes).values():
            done.result(20)
        yield running


def entries(config):
    return [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()]


def kept(fleet, topic):
    """The offsets of the records that *topic* still has."""
    offsets, ended = [], False
    with fleet.reader(topic, partition_eof=True) as reader:
        while not ended:
            for record in reader.consume(5_000, 0.2):
                if record.error():
                    ended = True
                else:
                    offsets.append(record.offset())
    return offsets


def test_a_restart_has_every_row_and_its_digest_from_what_compaction_has_left(fleet):
    worker = fleet.start(chunk_records_max=50)

    def compacted():
        """More is written until the cleaner has been there: only full segments are cleaned."""
        fleet.produce(100)
        return all(
            min(kept(fleet, changelog.name), default=0) > 0 for changelog in (fleet.plan.counts, fleet.plan.positions)
        )

    until(compacted, within_s=60)
    fleet.verify()
    worker.kill()
    again = fleet.start()
    until(lambda: again.events("partition_restored"))
    fleet.produce(100)
    fleet.verify()
