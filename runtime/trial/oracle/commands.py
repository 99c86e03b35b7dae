"""Checks of the way in: what the broker acknowledged is in the log, answered once, and refused where it is bad."""

from collections.abc import Iterator

from runtime.trial import wire
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import Expect, Sent
from runtime.trial.publish import digest
from runtime.trial.wire import Avro

INPUTS = ("order-commands", "transfers")


def log_holds_what_was_acknowledged(evidence: Evidence) -> Check:
    """Every acknowledged record stands where the broker said it does, with the same bytes; and nothing else does."""

    def faults() -> Iterator[str]:
        acknowledged = {_at(sent) for sent in evidence.sent}
        for sent in evidence.sent:
            record = evidence.by_coordinates.get(_at(sent))
            if record is None:
                yield f"{_at(sent)} is not in the log"
            elif digest(record.key, record.value) != sent.digest:
                yield f"{_at(sent)} holds other bytes than were sent"
        for topic in INPUTS:
            for record in evidence.records.get(topic, ()):
                if record.at not in acknowledged:
                    yield f"{record.at} was never acknowledged"

    return Check("log_holds_what_was_acknowledged", f"{len(evidence.sent)} records", tuple(faults()))


def users_records_are_in_their_partition(evidence: Evidence, partitions: int) -> Check:
    """murmur2 of the key picks the partition of all records but those misrouted on purpose."""
    routed = [sent for sent in evidence.sent if sent.expect is not Expect.REFUSED]
    faults = tuple(
        f"{sent.user_id} is in {sent.topic}-{sent.partition}"
        for sent in routed
        if wire.murmur2(sent.user_id.encode()) % partitions != sent.partition
    )
    return Check("users_records_are_in_their_partition", f"{len(routed)} records", faults)


def every_command_has_exactly_one_answer(evidence: Evidence) -> Check:
    """One answer for each record that can be read, under its command ID; none for a record that nobody sent."""

    def faults() -> Iterator[str]:
        known = {_at(sent): sent for sent in evidence.sent}
        for at, sent in known.items():
            answers = evidence.answers.get(at, [])
            buried = len(evidence.dead.get(at, ()))
            if len(answers) + (buried if sent.expect in {Expect.DEAD_LETTER, Expect.REFUSED} else 0) != 1:
                yield f"{sent.kind} at {at} has {len(answers)} answers and {buried} dead letters"
            for answer in answers:
                if sent.command_id is not None and answer.get("command_id") != sent.command_id:
                    yield f"{at} asked as {sent.command_id} and was answered as {answer.get('command_id')}"
        for at in evidence.answers:
            if at[0] in INPUTS and at not in known:
                yield f"{at} was answered and never sent"

    return Check("every_command_has_exactly_one_answer", f"{len(evidence.sent)} records", tuple(faults()))


def repeats_get_the_first_answer(evidence: Evidence) -> Check:
    """Whoever sends a command again hears DUPLICATE, with what the first one was told and where that one stood."""
    firsts: dict[tuple[str, str, str], Sent] = {}
    repeats: list[tuple[Sent, Sent]] = []
    for sent in sorted(evidence.sent, key=_at):
        if sent.command_id is None or sent.expect is Expect.REFUSED:
            continue
        first = firsts.setdefault((sent.topic, sent.user_id, sent.command_id), sent)
        if first is not sent:
            repeats.append((first, sent))

    def faults() -> Iterator[str]:
        for first, repeat in repeats:
            for told in evidence.answers.get(_at(first), [])[:1]:
                for answer in evidence.answers.get(_at(repeat), []):
                    if answer["answer"] != "DUPLICATE":
                        yield f"{_at(repeat)} repeats {_at(first)} and was {answer['answer']}"
                    elif _retold(answer) != _told(told):
                        yield f"{_at(repeat)} was told {_retold(answer)}, {_at(first)} {_told(told)}"

    return Check("repeats_get_the_first_answer", f"{len(repeats)} repeats", tuple(faults()))


def order_ids_are_accepted_once(evidence: Evidence) -> Check:
    """However often an order ID is placed, one order comes of it."""
    placed = [name for name, events in evidence.orders.items() for event in events if event["kind"] == "ORDER_ACCEPTED"]
    faults = tuple(f"order {name} was accepted {placed.count(name)} times" for name in _repeated(placed))
    again = sum(sent.kind == "order_id_again" for sent in evidence.sent)
    return Check("order_ids_are_accepted_once", f"{len(placed)} orders, {again} order IDs placed again", faults)


def bad_input_is_refused(evidence: Evidence) -> Check:
    """Every record that was spoilt on purpose was rejected by name or became a dead letter, as its kind demands."""
    bad = [sent for sent in evidence.sent if sent.expect not in {Expect.ANSWER, Expect.DUPLICATE}]

    def faults() -> Iterator[str]:
        for sent in bad:
            answers = evidence.answers.get(_at(sent), [])
            rejected = bool(answers) and all(a["answer"] == "REJECTED" and a.get("reason") for a in answers)
            buried = bool(evidence.dead.get(_at(sent)))
            passed = {
                Expect.REJECTED: rejected and not buried,
                Expect.DEAD_LETTER: buried and not answers,
                Expect.REFUSED: rejected or (buried and not answers),
            }[sent.expect]
            if not passed:
                yield f"{sent.kind} at {_at(sent)}: {[a['answer'] for a in answers]}, dead letter: {buried}"

    return Check("bad_input_is_refused", f"{len(bad)} bad records", tuple(faults()))


def dead_letters_are_whole(evidence: Evidence) -> Check:
    """A dead letter has the coordinates, the key and the value of its source; only what was spoilt becomes one."""
    spoilt = {_at(sent) for sent in evidence.sent if sent.expect in {Expect.DEAD_LETTER, Expect.REFUSED}}

    def faults() -> Iterator[str]:
        for at, letters in evidence.dead.items():
            source = evidence.by_coordinates.get(at)
            if at not in spoilt:
                yield f"{at} was buried as {_reason(letters)} and is sound"
            elif source is None or any(
                (_bytes(letter, "key"), _bytes(letter, "value")) != (source.key, source.value) for letter in letters
            ):
                yield f"{at} was not kept whole"
            elif len(letters) > 1:
                yield f"{at} was buried {len(letters)} times"

    return Check("dead_letters_are_whole", f"{len(evidence.dead)} dead letters", tuple(faults()))


def _at(sent: Sent) -> tuple[str, int, int]:
    return sent.topic, sent.partition, sent.offset


def _told(answer: Avro) -> tuple[object, ...]:
    """What a command was told. The first to use an order ID again was itself told of an earlier one."""
    if answer["answer"] == "DUPLICATE":
        return _retold(answer)
    return answer["answer"], answer.get("reason"), answer["source_offset"]


def _retold(answer: Avro) -> tuple[object, ...]:
    return answer.get("first_answer"), answer.get("first_reason"), answer.get("first_offset")


def _repeated(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]  # set.add


def _bytes(letter: Avro, name: str) -> bytes | None:
    value = letter.get(name)
    return value if isinstance(value, bytes) else None


def _reason(letters: list[Avro]) -> str:
    return ", ".join(str(letter.get("reason")) for letter in letters)
