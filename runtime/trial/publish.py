"""Producing the plan, at its pace, with a plain confluent-kafka producer, and keeping what the broker acknowledged."""

import io
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final

import confluent_kafka
import msgspec
from typing_extensions import override

from runtime.trial import wire
from runtime.trial.plan import Planned, Sent

FLUSH_S: Final = 30.0
QUEUE_WAIT_S: Final = 0.05


def digest(key: bytes | None, value: bytes | None) -> str:
    """A short fingerprint of a record; a null and an empty value differ."""
    hash_ = blake2b(digest_size=10)
    for part in (key, value):
        hash_.update(b"-" if part is None else len(part).to_bytes(4, "big") + part)
    return hash_.hexdigest()


def acknowledged(log: Path) -> list[Sent]:
    """What the broker has acknowledged, by the *log* of one or more publishers."""
    return msgspec.json.Decoder(Sent).decode_lines(log.read_bytes()) if log.exists() else []


class Publisher(threading.Thread):
    """Sends *planned* in order, each at its time after the start; *sent* grows as the broker acknowledges.

    *log* gets one JSON line a record, appended when the broker acknowledges it: what is in the file must have been
    answered at the end, whoever dies. *refused* holds what the broker would not take.
    """

    def __init__(self, bootstrap: str, planned: Sequence[Planned], log: Path) -> None:
        super().__init__(name="publisher", daemon=True)
        self.planned = planned
        self.sent: list[Sent] = []
        self.refused: list[str] = []
        self.started_us = 0
        self.ended_us = 0
        self._log_file = log
        self._log: IO[bytes] = io.BytesIO()
        self._encoder = msgspec.json.Encoder()
        self._stopping = threading.Event()
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "fillstream-demo",
                "partitioner": "murmur2_random",  # librdkafka's own default would send users to partitions of others
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
            },
            logger=wire.KAFKA_LOG,
        )

    def stop(self) -> None:
        """No further record is sent; what is on its way is still waited for."""
        self._stopping.set()

    @override
    def run(self) -> None:
        with self._log_file.open("ab") as self._log:
            self._publish()

    def _publish(self) -> None:
        self.started_us = time.time_ns() // 1_000
        start_s = time.monotonic()
        for record in self.planned:
            while (wait_s := start_s + record.at_ms / 1_000 - time.monotonic()) > 0 and not self._stopping.is_set():
                self._producer.poll(min(wait_s, QUEUE_WAIT_S))
            if self._stopping.is_set():
                break
            self._send(record)
        if left := self._producer.flush(FLUSH_S):
            self.refused.append(f"{left} records not acknowledged within {FLUSH_S:g} s")
        self.ended_us = time.time_ns() // 1_000

    def _send(self, record: Planned) -> None:
        routing = {} if record.partition is None else {"partition": record.partition}
        delivered = self._delivered(record, time.time_ns() // 1_000)
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=delivered, **routing)
            except BufferError:
                self._producer.poll(QUEUE_WAIT_S)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, record: Planned, sent_us: int) -> Callable[[Any, Any], None]:
        def acknowledge(error: Any, message: Any) -> None:
            if error is not None:
                self.refused.append(f"{record.kind}: {error}")
                return
            sent = Sent(
                topic=record.topic,
                partition=message.partition(),
                offset=message.offset(),
                sent_us=sent_us,
                kind=record.kind,
                expect=record.expect,
                user_id=record.user_id,
                command_id=record.command_id,
                order_id=record.order_id,
                digest=digest(record.key, record.value),
            )
            self._log.write(self._encoder.encode(sent) + b"\n")
            self.sent.append(sent)

        return acknowledge
