"""What the sink has to carry: all records of whole orders, in every topic, made by the agents' own code.

An order is a command, a request, an acknowledgement, a fill, and what the agents decide on them: ten records of six
topics, and fifteen rows. They are made by ``benchmarks.decide``'s worker, a partition after the other.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec
from confluent_kafka import Producer

from benchmarks import decide
from domain.messages import VenueReport, VenueRequest
from schemas import topics

PARTITIONS: Final = 4
USERS: Final = 5_000
VENUE: Final = decide.VENUE
_SENT_US: Final = 40_000
_ANSWERED_US: Final = 12_000


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A record for Kafka."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Load:
    """Orders without an end, in waves; *counts* has how many records each topic has been given."""

    def __init__(self) -> None:
        self._now_us = time.time_ns() // 1_000
        self._workers = [decide.Worker(USERS, self._now_us // 1_000) for _ in range(PARTITIONS)]
        self._orders = 0
        self.counts: Counter[str] = Counter()

    def wave(self, orders: int) -> list[Sent]:
        """All records of so many more orders, of one partition; the next wave is another partition's."""
        number = self._orders // orders
        partition = number % PARTITIONS
        worker = self._workers[partition]
        found: list[Sent] = []

        def keep(topic: str, value: bytes | None, key: bytes | None) -> None:
            found.append(Sent(topic, partition, key, value))

        def feed(topic: topics.Topic, inputs: decide.Inputs) -> list[VenueRequest]:
            found.extend(Sent(topic.name, partition, key, value) for key, value in inputs)
            return worker.feed(topic, inputs, keep=keep)[0]

        numbers = range(self._orders, self._orders + orders)
        self._orders += orders
        requests = feed(topics.ORDER_COMMANDS, decide.placements(worker.users, numbers))
        for report in (decide.acknowledged, decide.filled):
            told = [self._now(report(asked, number)) for number, asked in zip(numbers, requests, strict=True)]
            feed(topics.VENUE_REPORTS, decide.inputs_of_reports(told))
        self.counts.update(sent.topic for sent in found)
        return found

    def waves(self, orders: int, orders_each: int = 1_000) -> Iterator[list[Sent]]:
        for _ in range(0, orders, orders_each):
            yield self.wave(orders_each)

    def _now(self, report: VenueReport) -> VenueReport:
        """The same at today's time: roll-ups keep a year, and the deciding benchmark lives in another."""
        now = self._now_us
        answered = {} if report.sent_at is None else {"sent_at": now, "received_at": now + _ANSWERED_US}
        return msgspec.structs.replace(report, reported_at=now + _SENT_US, transacted_at=now + _SENT_US, **answered)


def produce(producer: Producer, wave: list[Sent]) -> None:
    for sent in wave:
        producer.produce(sent.topic, sent.value, sent.key, sent.partition)
    producer.poll(0)
