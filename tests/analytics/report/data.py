"""A database with a story in it, for what reads it as a whole."""

import time
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
        store(client, topic, [codec.encode(message) for message in messages])
    return database


def store(client: Any, topic: str, values: list[bytes]) -> None:
    now_ms = int(time.time() * 1_000)
    rows = Mapper().rows(topic, 0, [Record(offset, now_ms, b"k", value) for offset, value in enumerate(values)])
    settings = {"insert_deduplication_token": topic, "async_insert": 0}
    for table, columns in ((rows.table, rows.stored), ("dead_letters", rows.dead_letters)):
        if columns is not None:
            client.insert_arrow(table, columns, settings=settings)
