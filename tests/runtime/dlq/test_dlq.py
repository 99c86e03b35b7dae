"""Dead letters on a real broker: found by filters, shown whole, replayed once, and the replay kept."""

import json
import time
import uuid

import pytest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec.structs import replace
from typer.testing import CliRunner

from agents.routing import partition_of
from domain.messages import DeadLetter, OrderCommand, OrderType, PlaceOrder, Replay, Side, Transfer, TransferDirection
from domain.money import parse
from runtime import __main__ as command
from runtime import kafka, plain, reading, topics
from runtime.broker import EmbeddedBroker
from runtime.commands import running
from runtime.dlq import letters, replay
from runtime.dlq.selection import Selection
from runtime.exits import CheckFailed, Exit
from runtime.settings import Settings
from schemas import codec
from schemas import topics as catalog
from tests.conftest import JAR_CACHE

PARTITIONS = 3
COMMANDS, TRANSFERS = catalog.ORDER_COMMANDS.name, catalog.TRANSFERS.name
BURIED_US = 1_700_000_000_000_000


def a_command(user_id: str = "alice") -> OrderCommand:
    placed = PlaceOrder("o1", "simulated", "BTC-USD", Side.BUY, OrderType.LIMIT, parse("0.5"), price=parse("50000.25"))
    return OrderCommand("first-id", user_id, BURIED_US, placed)


def a_transfer(user_id: str = "alice") -> Transfer:
    return Transfer("transfer-1", user_id, "USD", TransferDirection.CREDIT, parse("12.5"), BURIED_US)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Settings:
    with EmbeddedBroker(tmp_path_factory.mktemp("kafka"), jar_cache=JAR_CACHE) as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap, partitions=PARTITIONS)
        topics.ensure(settings, ("simulated",))
        yield settings


@pytest.fixture
def bury(installation):
    """Writes a dead letter and returns the coordinate of its record, which no other test's has."""
    producer = Producer(kafka.producer(installation))

    def bury(value: bytes | None, topic: str = COMMANDS, **changes) -> str:
        offset = uuid.uuid4().int % (1 << 40)
        letter = DeadLetter(topic, 1, offset, BURIED_US, "agents", "TRUNCATED", "short", BURIED_US, b"alice", value)
        letter = replace(letter, **changes)
        producer.produce(catalog.DEAD_LETTERS.name, codec.encode(letter), letter.key)
        assert producer.flush(10) == 0
        return f"{topic}:1:{offset}"

    return bury


@pytest.fixture
def invoke(installation, monkeypatch):
    monkeypatch.setenv("FILLSTREAM_BOOTSTRAP_SERVERS", installation.bootstrap_servers)
    monkeypatch.setenv("FILLSTREAM_PARTITIONS", str(PARTITIONS))
    monkeypatch.setattr(running.telemetry, "configure_logging", lambda *_: None)
    runner = CliRunner()
    return lambda *words, **more: runner.invoke(command.app, ["dlq", *words], env={"COLUMNS": "250"}, **more)


def written(settings: Settings, topic: catalog.Topic) -> list[tuple[int, bytes, object]]:
    """Partition, key and message of everything in *topic*."""
    await_marks(settings, topic)
    records = reading.read(settings, *reading.spans(settings, topic.name))
    return [(each.partition(), each.key(), codec.decode(each.value(), topic.value)) for each in records]


def await_marks(settings: Settings, topic: catalog.Topic) -> None:
    """A transaction is committed before the marks are in its topics, behind which its records can be read."""
    admin = AdminClient(kafka.client(settings))
    places = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]

    def ends(level: IsolationLevel) -> list[int]:
        asked = admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), isolation_level=level)
        return [answer.result(10).offset for answer in asked.values()]

    deadline = time.monotonic() + 60
    while ends(IsolationLevel.READ_COMMITTED) != ends(IsolationLevel.READ_UNCOMMITTED):
        assert time.monotonic() < deadline, "a transaction is still open"
        time.sleep(0.02)


def commands_of(settings: Settings, user_id: str) -> list[tuple[int, bytes, OrderCommand]]:
    return [each for each in written(settings, catalog.ORDER_COMMANDS) if each[2].user_id == user_id]


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_has_the_letters_that_pass_every_filter(bury, invoke):
    stage = uuid.uuid4().hex
    wanted = bury(b"?", stage=stage, reason="BAD_VALUE", key=b"bob")
    bury(b"?", stage=stage, reason="BAD_VALUE", key=b"carol")
    bury(b"?", stage=stage, reason="EMPTY", key=b"bob")
    bury(b"?", stage=stage, reason="BAD_VALUE", key=b"bob", topic=TRANSFERS)
    bury(b"?", stage=stage, reason="BAD_VALUE", key=b"bob", occurred_at=BURIED_US - 1_000_000)
    filters = ("--stage", stage, "--reason", "BAD_VALUE", "--user", "bob", "--topic", COMMANDS)
    shown = invoke("list", *filters, "--since", "2023-11-14T22:13:20Z", "--json")
    assert [each["coordinate"] for each in json.loads(shown.stdout)] == [wanted]


def test_a_user_is_found_in_the_message_when_the_key_is_anothers(bury, invoke):
    user_id = uuid.uuid4().hex
    wanted = bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH")
    assert [each["coordinate"] for each in json.loads(invoke("list", "--user", user_id, "--json").stdout)] == [wanted]


def test_a_limit_keeps_the_newest_and_says_how_many_there_are(bury, invoke):
    stage = uuid.uuid4().hex
    places = [bury(b"?", stage=stage, occurred_at=BURIED_US + second) for second in range(3)]
    shown = invoke("list", "--stage", stage, "--limit", "2").stdout
    assert places[0] not in shown
    assert all(place in shown for place in places[1:])
    assert "3 dead letters, 0 of them replayed; the newest 2 are shown" in shown


def test_what_strangers_wrote_can_not_move_the_cursor(bury, invoke):
    stage = uuid.uuid4().hex
    place = bury(b"\x1b[2J", stage=stage, key=b"\x1b[2Jbob", detail="\x1b[31mred [bold]x")
    listed, shown = invoke("list", "--stage", stage).stdout, invoke("show", place).stdout
    assert "\x1b[2J" not in listed + shown
    assert "[bold]x" in listed


def test_a_readable_letter_is_shown_as_the_message_it_holds(bury, invoke):
    place = bury(codec.encode(a_command()), reason="KEY_MISMATCH", key=b"mallory")
    (shown,) = json.loads(invoke("show", place, "--json").stdout)
    assert shown["value"]["command"]["PlaceOrder"]["price"] == "50000.25"
    assert (shown["reason"], shown["key"], shown["user_id"]) == ("KEY_MISMATCH", "mallory", "alice")


def test_an_unreadable_letter_is_shown_in_bytes_with_what_is_wrong(bury, invoke):
    place = bury(b"{'json': 1}")
    shown = invoke("show", place).stdout
    assert "NOT_WIRE_FORMAT" in shown
    assert "00000000  7b 27 6a 73 6f 6e 27 3a 20 31 7d" in shown
    assert "{'json': 1}" in shown
    assert invoke("show", place, "--value").exit_code == Exit.CHECK_FAILED


def test_a_letter_that_is_not_there_is_a_failed_check(invoke):
    result = invoke("show", "order-commands:0:999999999")
    assert result.exit_code == Exit.CHECK_FAILED
    assert "no dead letter is of order-commands:0:999999999" in result.stderr


@pytest.mark.parametrize("words", [["show", "nowhere"], ["list", "--since", "tomorrow"], ["replay"]])
def test_what_can_not_be_meant_is_wrong_usage(invoke, words):
    assert invoke(*words).exit_code == Exit.USAGE


# ── replaying ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_replayed_command_has_a_new_id_and_its_users_key_and_partition(bury, invoke, installation):
    user_id = uuid.uuid4().hex
    place = bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH", key=b"mallory")
    result = invoke("replay", place, "--yes", "--actor", "ops-1")
    assert result.exit_code == Exit.OK, result.output
    ((partition, key, sent),) = commands_of(installation, user_id)
    assert sent == replace(a_command(user_id), command_id=sent.command_id)
    assert sent.command_id != "first-id"
    assert sent.command_id in result.stdout
    assert (key, partition) == (user_id.encode(), partition_of(key, PARTITIONS))


def test_a_replay_is_kept_with_who_did_it_and_the_list_shows_it(bury, invoke, installation):
    user_id, stage = uuid.uuid4().hex, uuid.uuid4().hex
    place = bury(codec.encode(a_command(user_id)), stage=stage, reason="KEY_MISMATCH")
    invoke("replay", place, "--yes", "--actor", "ops-1")
    ((_, _, sent),) = commands_of(installation, user_id)
    (kept,) = [each for _, key, each in written(installation, catalog.REPLAYS) if key == place.encode()]
    assert isinstance(kept, Replay)
    assert (kept.actor, kept.command_id, kept.user_id, kept.corrected) == ("ops-1", sent.command_id, user_id, False)
    (listed,) = json.loads(invoke("list", "--stage", stage, "--json").stdout)
    assert [(each["actor"], each["command_id"]) for each in listed["replays"]] == [("ops-1", sent.command_id)]
    assert "ops-1" in invoke("list", "--stage", stage).stdout


def test_a_second_replay_is_refused_unless_it_is_asked_for(bury, invoke, installation):
    user_id = uuid.uuid4().hex
    place = bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH")
    assert invoke("replay", place, "--yes").exit_code == Exit.OK
    refused = invoke("replay", place, "--yes")
    assert refused.exit_code == Exit.CHECK_FAILED
    assert "ALREADY_REPLAYED" in refused.stderr
    assert len(commands_of(installation, user_id)) == 1
    assert invoke("replay", place, "--yes", "--again").exit_code == Exit.OK
    assert len({sent.command_id for _, _, sent in commands_of(installation, user_id)}) == 2


def test_a_dry_run_and_a_no_send_nothing(bury, invoke, installation):
    user_id = uuid.uuid4().hex
    place = bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH")
    dry = invoke("replay", place, "--dry-run")
    assert dry.exit_code == Exit.OK
    assert "nothing sent, 1 would be" in dry.stdout
    assert invoke("replay", place, input="n\n").exit_code == 1
    assert invoke("replay", place, input="").exit_code == 1
    assert commands_of(installation, user_id) == []
    assert letters.find(installation, Selection(user=user_id))[0].replays == ()


def test_a_transfer_keeps_its_id_so_that_it_is_never_booked_twice(bury, invoke, installation):
    user_id = uuid.uuid4().hex
    place = bury(codec.encode(a_transfer(user_id)), topic=TRANSFERS, reason="NULL_KEY", key=None)
    assert invoke("replay", place, "--yes").exit_code == Exit.OK
    records = reading.read(installation, *reading.spans(installation, TRANSFERS))
    sent = [codec.decode(each.value(), Transfer) for each in records if each.key() == user_id.encode() and each.value()]
    assert sent == [a_transfer(user_id)]


def test_an_unreadable_record_is_replayed_only_as_what_a_file_says(bury, invoke, installation, tmp_path):
    user_id, file = uuid.uuid4().hex, tmp_path / "corrected.json"
    place = bury(b"\0\0")
    refused = invoke("replay", place, "--yes")
    assert refused.exit_code == Exit.CHECK_FAILED
    assert "UNDECODABLE" in refused.stderr
    file.write_text(json.dumps(plain.of(a_command(user_id))))
    assert invoke("replay", place, "--value", str(file), "--yes").exit_code == Exit.OK
    ((_, _, sent),) = commands_of(installation, user_id)
    assert sent.command == a_command().command
    assert letters.find(installation, Selection(user="alice", reason="TRUNCATED"))
    assert [each.corrected for _, key, each in written(installation, catalog.REPLAYS) if key == place.encode()] == [
        True
    ]


def test_a_file_that_is_no_command_is_refused_by_name_of_the_field(bury, invoke, tmp_path):
    file, place = tmp_path / "wrong.json", bury(b"\0\0")
    wrong = plain.of(a_command())
    wrong["command"]["PlaceOrder"]["quantity"] = 0.5
    file.write_text(json.dumps(wrong))
    result = invoke("replay", place, "--value", str(file), "--yes")
    assert result.exit_code == Exit.CHECK_FAILED
    assert "OrderCommand.command.PlaceOrder.quantity" in result.stderr


@pytest.mark.parametrize(
    ("topic", "message", "refusal"),
    [
        (catalog.VENUE_REPORTS.name, b"?", "NOT_A_COMMAND"),
        ("venue-requests.simulated", b"?", "NOT_A_COMMAND"),
        (COMMANDS, codec.encode(a_command("")), "INVALID_USER_ID"),
        (COMMANDS, codec.encode(a_command("x" * 65)), "INVALID_USER_ID"),
        (COMMANDS, None, "UNDECODABLE"),
    ],
)
def test_what_can_not_be_replayed_is_refused_by_name(bury, invoke, topic, message, refusal):
    result = invoke("replay", bury(message, topic=topic), "--yes")
    assert result.exit_code == Exit.CHECK_FAILED
    assert refusal in result.stderr


def test_filters_replay_what_they_select_and_list_what_they_refuse(bury, invoke, installation):
    user_id, stage = uuid.uuid4().hex, uuid.uuid4().hex
    for _ in range(3):
        bury(codec.encode(a_command(user_id)), stage=stage, reason="KEY_MISMATCH")
    unreadable = bury(b"?", stage=stage)
    result = invoke("replay", "--stage", stage, "--yes")
    assert result.exit_code == Exit.CHECK_FAILED
    assert f"refused {unreadable}: UNDECODABLE" in result.stderr
    assert len(commands_of(installation, user_id)) == 3


def test_of_two_operators_at_once_one_sends(bury, installation):
    user_id = uuid.uuid4().hex
    bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH")
    (letter,) = letters.find(installation, Selection(user=user_id))
    both = [replay.prepare(letter, None, lambda: uuid.uuid4().hex, again=False) for _ in range(2)]
    replay.send(installation, both[:1], "first")
    with pytest.raises(CheckFailed, match="somebody else"):
        replay.send(installation, both[1:], "second")
    assert len(commands_of(installation, user_id)) == 1


def test_an_operator_who_begins_later_shuts_out_the_earlier(bury, installation, monkeypatch):
    user_id = uuid.uuid4().hex
    bury(codec.encode(a_command(user_id)), reason="KEY_MISMATCH")
    (letter,) = letters.find(installation, Selection(user=user_id))
    ready = replay.prepare(letter, None, lambda: uuid.uuid4().hex, again=False)
    look = letters.replays

    def look_while_another_begins(settings):
        Producer(kafka.producer(settings, transactional_id=replay.TRANSACTIONAL_ID)).init_transactions(10)
        return look(settings)

    monkeypatch.setattr(letters, "replays", look_while_another_begins)
    with pytest.raises(CheckFailed, match="another operator"):
        replay.send(installation, [ready], "earlier")
    assert commands_of(installation, user_id) == []


def test_a_value_survives_the_way_into_json_and_back():
    for message in (a_command(), a_transfer()):
        assert plain.read(json.loads(json.dumps(plain.of(message))), type(message)) == message
