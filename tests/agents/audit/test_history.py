"""The order in which a chunk's inputs were taken, out of what is known of it."""

from hypothesis import given
from hypothesis import strategies as st

from agents.audit.history import Feed, Input, turns

TOPICS = ("order-commands", "ticks", "venue-reports")


def flat(taken):
    return [(topic, record.offset) for topic, turn in taken for record in turn]


def by_topic(places, stamps=None):
    records = {topic: [] for topic in TOPICS}
    for index, (topic, offset) in enumerate(places):
        records[topic].append(Input(offset, stamps[index] if stamps else 0, None, None))
    return records


@st.composite
def chunks(draw):
    """Topic and offset of the records of a chunk, as they were taken."""
    order = draw(st.lists(st.sampled_from(TOPICS), max_size=30))
    return [(topic, order[:index].count(topic) * 2) for index, topic in enumerate(order)]


@given(chunks(), st.data())
def test_records_whose_events_are_known_are_taken_in_the_events_order(places, data):
    stamps = data.draw(st.lists(st.integers(0, 9), min_size=len(places), max_size=len(places)))
    assert flat(turns(by_topic(places, stamps), places)) == places


@given(chunks(), st.data())
def test_whatever_is_known_every_record_is_taken_once_and_each_topic_in_its_order(places, data):
    stamps = data.draw(st.lists(st.integers(0, 9), min_size=len(places), max_size=len(places)))
    known = [place for place in places if data.draw(st.booleans())]
    taken = flat(turns(by_topic(places, stamps), known))
    assert sorted(taken) == sorted(places)
    assert [place for place in taken if place in set(known)] == known
    for topic in TOPICS:
        assert [place for place in taken if place[0] == topic] == sorted(place for place in places if place[0] == topic)


def test_a_silent_record_stands_before_what_the_broker_got_later():
    places = [("order-commands", 0), ("ticks", 0), ("order-commands", 1)]
    silent_tick = turns(by_topic(places, [100, 150, 200]), [places[0], places[2]])
    assert flat(silent_tick) == places


def test_a_record_that_caused_several_events_is_taken_once():
    places = [("order-commands", 0), ("venue-reports", 0)]
    assert flat(turns(by_topic(places), [places[0], places[0], places[1], places[1]])) == places


def test_records_of_one_topic_in_a_row_are_one_turn():
    places = [("order-commands", 0), ("order-commands", 1), ("ticks", 0), ("order-commands", 2)]
    assert [topic for topic, _ in turns(by_topic(places), places)] == ["order-commands", "ticks", "order-commands"]


def test_a_feed_keeps_the_first_that_is_not_wanted_yet():
    feed = Feed(range(10))
    assert feed.take_while(lambda item: item < 3) == [0, 1, 2]
    assert feed.take_while(lambda item: item < 3) == []
    assert feed.take_while(lambda item: item < 5) == [3, 4]
    assert feed.take_while(lambda _: True) == [5, 6, 7, 8, 9]
    assert Feed(()).take_while(lambda _: True) == []
