"""Rows that only the server refuses: dead letters, once, and the rest of their batch goes in."""

from collections.abc import Iterator

import pytest

from analytics import refusals
from analytics.inserts import Failed, Stored
from analytics.migrate import migrate
from domain.money import ONE
from schemas import codec
from tests.analytics.stage import Service, unique_database
from tests.analytics.test_inserts import Writing, batch_of, break_a_view
from tests.analytics.test_mapping import a_transfer


@pytest.fixture
def writing(service: Service) -> Iterator[Writing]:
    name, client = unique_database(), service.client(writer=True)
    migrate(client, name)
    built = Writing(client, name)
    yield built
    built.inserter.close()
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


def transfers(amounts: list[int], **said: object) -> list[bytes]:
    return [codec.encode(a_transfer(transfer_id=f"t{n}", amount=a, **said)) for n, a in enumerate(amounts)]


def dead(writing: Writing) -> list[tuple[object, ...]]:
    query = "SELECT _offset, reason, stage, source_topic FROM dead_letters ORDER BY _offset"
    return [tuple(row) for row in writing.client.query(query, settings={"database": writing.database}).result_rows]


def test_a_row_that_a_constraint_forbids_is_a_dead_letter_and_its_batch_goes_in(writing):
    writing.command("ALTER TABLE transfers ADD CONSTRAINT sane CHECK amount < 1000")
    amounts = [n * ONE for n in range(40)]
    amounts[7] = amounts[8] = amounts[33] = 5_000 * ONE
    batch = batch_of("transfers", [*transfers(amounts), b"garbage"])
    for _ in range(2):  # the second time as after a crash: everything has its token
        assert writing.write(batch) == Stored("transfers", 37, 4)
        assert writing.value("SELECT count() FROM transfers") == 37
        refused = [(n, refusals.REFUSED, "sink", "transfers") for n in (7, 8, 33)]
        assert dead(writing) == [*refused, (40, "NOT_WIRE_FORMAT", "sink", "transfers")]
    assert "sane" in writing.value("SELECT any(detail) FROM dead_letters WHERE _offset = 7")
    assert writing.value("SELECT count() FROM system.tables WHERE name LIKE 'refusals_%'") == 0


def test_a_text_that_is_no_member_of_an_enum_is_a_dead_letter(writing):
    writing.command("ALTER TABLE transfers MODIFY COLUMN direction Enum8('CREDIT' = 1)")
    batch = batch_of("transfers", [*transfers([1, 2]), *transfers([3], direction="DEBIT")])
    assert writing.write(batch) == Stored("transfers", 2, 1)
    assert [row[0] for row in dead(writing)] == [2]


def test_a_batch_broken_off_between_its_letters_and_its_rows_is_completed(writing, monkeypatch):
    writing.command("ALTER TABLE transfers ADD CONSTRAINT sane CHECK amount < 1000")
    batch = batch_of("transfers", transfers([ONE, 5_000 * ONE, ONE]))
    insert = writing.inserter._insert
    tokens: list[str] = []

    def breaks_off(table, rows, token):
        tokens.append(token)
        if len(tokens) == 3:
            raise OSError("killed here")
        insert(table, rows, token)

    with monkeypatch.context() as patch:
        patch.setattr(writing.inserter, "_insert", breaks_off)
        assert isinstance(writing.write(batch), Failed)
    assert tokens == [batch.token, f"{batch.token}:refused", batch.token]
    assert writing.write(batch) == Stored("transfers", 2, 1)
    assert writing.value("SELECT count() FROM transfers") == 2
    assert [row[0] for row in dead(writing)] == [1]


def test_what_a_view_refuses_kills_no_record(writing):
    """The table has the rows already then: to write them in parts would store them twice."""
    break_a_view(writing)
    writing.command("DROP VIEW broken")
    writing.command(
        "CREATE MATERIALIZED VIEW broken TO sinkhole AS "
        "SELECT user_id AS owner, toUInt8(CAST(user_id, 'Enum8(''somebody'' = 1)')) AS x FROM transfers"
    )
    batch = batch_of("transfers", transfers([ONE, ONE]))
    failed = writing.write(batch)
    assert isinstance(failed, Failed)
    assert dead(writing) == []
    writing.command("DROP VIEW broken")
    assert writing.write(batch) == Stored("transfers", 2, 0)
    assert writing.value("SELECT count() FROM transfers") == 2


def test_more_refused_rows_than_can_be_bad_luck_wait_for_somebody(writing, monkeypatch):
    monkeypatch.setattr(refusals, "REFUSED_MAX", 3)
    writing.command("ALTER TABLE transfers ADD CONSTRAINT none CHECK amount < 0")
    failed = writing.write(batch_of("transfers", transfers([ONE] * 20)))
    assert isinstance(failed, Failed)
    assert "more than 3 records are refused" in failed.detail
    assert dead(writing) == []


@pytest.mark.parametrize(
    ("text", "of_values"),
    [
        ("HTTP driver received HTTP status 500, server response: Code: 469. DB::Exception: …", True),
        ("Received ClickHouse exception, code: 691, server response: …", True),
        ("Code: 241. DB::Exception: Memory limit exceeded", False),
        ("Code: 16. DB::Exception: No such column", False),
        ("connection refused", False),
    ],
)
def test_what_is_said_of_a_value_is_told_from_what_is_said_of_the_server(text, of_values):
    assert refusals.is_of_values(Exception(text)) is of_values
