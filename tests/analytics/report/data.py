"""A database with a story in it, for what reads it as a whole."""

from typing import Any

from analytics.mapping import Record
from analytics.migrate import migrate
from analytics.rows import Mapper
from schemas import codec
from tests.analytics.stage import Service, unique_database
from tests.analytics.story import Story


def told(service: Service, story: Story) -> str:
    """The name of a new database with all records of *story*, as the sink stores them."""
    database = unique_database()
    migrate(service.client(writer=True), database)
    client = service.client(writer=True, database=database)
    for topic, messages in story.records().items():
        store(client, topic, messages)
    return database


def store(client: Any, topic: str, messages: list[Any]) -> None:
    records = [
        Record(offset, time_us(message) // 1_000, b"k", codec.encode(message))
        for offset, message in enumerate(messages)
    ]
    rows = Mapper().rows(topic, 0, records)
    settings = {"insert_deduplication_token": topic, "async_insert": 0}
    for table, columns in ((rows.table, rows.stored), ("dead_letters", rows.dead_letters)):
        if columns is not None:
            client.insert_arrow(table, columns, settings=settings)


def time_us(message: Any) -> int:
    """When it was written, or so."""
    names = ("occurred_at", "reported_at", "issued_at")
    return next(getattr(message, name) for name in names if hasattr(message, name))
