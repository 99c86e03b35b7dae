"""The limit for a Python client: librdkafka in, as many bytes out in transactions, and no work in between.

Run as a process by the launcher. It decodes nothing and decides nothing; each input record becomes an event, a request
and the rows of the tables, of about the sizes that W1 has. The commit of one partition overlaps with the next one's
records. It counts no repeats: its outputs are counted, not checked.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.w1.place import READY, Place

PARTITIONS: Final = 4
CHUNK_RECORDS_MAX: Final = 2_000

# where fields of the command lie, whose text has fixed sizes
_ORDER: Final = slice(53, 89)
_ASSET: Final = slice(90, 93)
_EVENT_MORE: Final = b"x" * 61
_REQUEST_MORE: Final = b"x" * 47
_ROW_MORE: Final = b"x" * 3
_BALANCE: Final = b"x" * 16


class Partition:
    """One partition: its consumer, its transactional producer, and the commit that is under way."""

    def __init__(self, place: Place, number: int, group: Consumer) -> None:
        self._place = place
        self._number = number
        self._group = group
        self._committing: Future[None] | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": place.bootstrap,
                "transactional.id": f"{place.application}-{number}",
                "linger.ms": 2,
                "queue.buffering.max.messages": 1_000_000,
                "compression.type": "lz4",
                "delivery.report.only.error": True,
                "retry.backoff.ms": 5,
            }
        )
        self._producer.init_transactions()
        self._consumer = Consumer(
            {
                "bootstrap.servers": place.bootstrap,
                "group.id": place.application,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
                "queued.max.messages.kbytes": 65_536,
            }
        )
        self._consumer.assign([TopicPartition(place.commands, number, 0)])

    def take(self, commits: ThreadPoolExecutor, wait_s: float) -> None:
        """Passes on what has come, and leaves its commit to a thread."""
        messages = self._consumer.consume(CHUNK_RECORDS_MAX, wait_s)
        if not messages:
            return
        if self._committing is not None:
            self._committing.result()
        self._producer.begin_transaction()
        self._pass_on(messages)
        self._committing = commits.submit(self._commit, messages[-1].offset() + 1)

    def _pass_on(self, messages: list[Any]) -> None:
        produce, place, number, accounts = self._producer.produce, self._place, self._number, set()
        events, requests = place.events, place.requests
        seen, balances, orders = (place.changelog(table) for table in ("seen", "balances", "orders"))
        for message in messages:
            key, value = message.key(), message.value()
            order = value[_ORDER]
            produce(events, value + _EVENT_MORE, key, number)
            produce(requests, value + _REQUEST_MORE, key, number)
            produce(seen, b"\1", key + b"|" + order, number)
            produce(orders, value + _ROW_MORE, order, number)
            accounts.add(key + b"|" + value[_ASSET])
        for account in accounts:
            produce(balances, _BALANCE, account, number)

    def _commit(self, offset: int) -> None:
        position = TopicPartition(self._place.commands, self._number, offset)
        self._producer.send_offsets_to_transaction([position], self._group.consumer_group_metadata())
        self._producer.commit_transaction()


def main(place: Place) -> None:
    group = Consumer({"bootstrap.servers": place.bootstrap, "group.id": place.application})
    partitions = [Partition(place, number, group) for number in range(PARTITIONS)]
    print(READY, flush=True)  # noqa: T201  # what the launcher waits for
    with ThreadPoolExecutor(PARTITIONS) as commits:
        while True:
            for partition in partitions:
                partition.take(commits, 0.002)


if __name__ == "__main__":
    main(Place.from_environment(os.environ))
