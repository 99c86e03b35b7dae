"""The Faust application: its tables, its agents, and the clock that ticks for them."""

import time
from collections.abc import Mapping
from typing import Any

import faust
from confluent_kafka import Producer

from agents import desk, orders, reports
from agents.desk import Books
from domain.instruments import Rulebook
from domain.messages import Tick
from runtime import kafka
from runtime.settings import Settings
from schemas import codec, topics
from streaming.app import application, input_topic
from streaming.lane import Lane
from streaming.partition import Process
from streaming.table import Table
from tables.answers import AnswerRows
from tables.balances import BalanceRows
from tables.orders import OrderRows


def build(settings: Settings, rules: Rulebook) -> faust.App:
    """The application with every agent, ready to run. Connects nowhere yet."""
    app = application(settings)
    books = open_books(app, settings, rules)
    lane = Lane(app, settings, tables=books.tables)
    _agents(app, lane, takers(books, settings.partitions))
    _clock(app, lane, settings)
    return app


def open_books(app: faust.App, settings: Settings, rules: Rulebook) -> Books:
    """The tables of *app*, of no partition yet, and the rules."""
    return Books(
        orders=Table(app, topics.ORDERS_CHANGELOG, rows=OrderRows),
        balances=Table(app, topics.BALANCES_CHANGELOG, rows=BalanceRows),
        answers=Table(app, topics.ANSWERS_CHANGELOG, rows=AnswerRows),
        rules=rules,
        policy=desk.policy(
            settings.unknown_bound_s, settings.order_retention_s, settings.answer_retention_s, settings.unknown_bounds_s
        ),
    )


def takers(books: Books, partitions: int) -> Mapping[str, Process]:
    """What decides a chunk of each input, by the input's topic."""
    return {
        topics.ORDER_COMMANDS.name: lambda chunk: orders.take_commands(chunk, books, partitions),
        topics.TRANSFERS.name: lambda chunk: orders.take_transfers(chunk, books, partitions),
        topics.VENUE_REPORTS.name: lambda chunk: reports.take_reports(chunk, books),
        topics.TICKS.name: lambda chunk: reports.take_ticks(chunk, books),
    }


def _agents(app: faust.App, lane: Lane, take: Mapping[str, Process]) -> None:
    @app.agent(input_topic(app, topics.ORDER_COMMANDS), isolated_partitions=True, name="orders")
    async def take_commands(stream: Any) -> None:
        await lane.run(stream, take[topics.ORDER_COMMANDS.name])

    @app.agent(input_topic(app, topics.TRANSFERS), isolated_partitions=True, name="transfers")
    async def take_transfers(stream: Any) -> None:
        await lane.run(stream, take[topics.TRANSFERS.name])

    @app.agent(input_topic(app, topics.VENUE_REPORTS), isolated_partitions=True, name="reports")
    async def take_reports(stream: Any) -> None:
        await lane.run(stream, take[topics.VENUE_REPORTS.name])

    @app.agent(input_topic(app, topics.TICKS), isolated_partitions=True, name="timers")
    async def take_ticks(stream: Any) -> None:
        await lane.run(stream, take[topics.TICKS.name])


def _clock(app: faust.App, lane: Lane, settings: Settings) -> None:
    """Writes a Tick to each partition this worker owns, once an interval.

    A lost or a doubled tick harms nobody, so this producer needs no transaction.
    """
    clock: list[Producer] = []

    @app.timer(interval=settings.tick_interval_ms / 1_000, on_leader=False, name="clock")
    async def tick() -> None:
        if not clock:
            clock.append(Producer(kafka.producer(settings)))
        now = time.time_ns() // 1_000
        for partition in lane.partitions:
            clock[0].produce(topics.TICKS.name, codec.encode(Tick(now)), partition=partition)
        clock[0].poll(0)
