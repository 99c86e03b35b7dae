"""Reading a topic from where it ends now."""

from confluent_kafka import Consumer, TopicPartition

from runtime import kafka
from runtime.settings import Settings


def tail(settings: Settings, topic: str, *, fetch_wait_max_ms: int) -> Consumer:
    """A reader of what is committed to *topic* from now on; it joins no group. Raises KafkaException."""
    reader = Consumer(kafka.consumer(settings, "w2-tail", fetch_wait_max_ms=fetch_wait_max_ms))
    places = [TopicPartition(topic, number) for number in range(settings.partitions)]
    reader.assign([TopicPartition(topic, each.partition, kafka.watermarks(reader, each)[1]) for each in places])
    return reader
