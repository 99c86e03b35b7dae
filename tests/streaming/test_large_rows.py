"""A row that has grown large is written like any other: one that the broker refused would stop its partition."""

import uuid
from random import Random

import msgspec

from domain.state import Order
from runtime import reading, topics
from schemas import codec
from schemas.topics import ORDERS_CHANGELOG
from streaming.writer import Writer
from tests import builders


def test_an_order_of_two_hundred_thousand_trades_is_written(settings, unique):
    changelog = msgspec.structs.replace(ORDERS_CHANGELOG, name=unique("orders-changelog"))
    topics.create(settings, [changelog])
    random = Random(0)
    trade_ids = tuple(str(uuid.UUID(int=random.getrandbits(128))) for _ in range(200_000))
    order = builders.an_order(trade_ids=trade_ids)
    writer = Writer(settings, unique("writer"), 0, lambda: True)
    writer.emit(changelog.name, codec.encode(order), b"its key")
    writer.commit()
    (record,) = reading.read(settings, *reading.spans(settings, changelog.name, 0))
    assert codec.decode(record.value(), Order) == order
