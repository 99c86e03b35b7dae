"""Which partition a key belongs to: murmur2, as Java's clients, Faust and ``murmur2_random`` have it."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of *key* in a topic of *partitions*."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
