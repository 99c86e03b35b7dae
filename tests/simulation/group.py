"""A model of a consumer group's coordinator, with static members: who owns which partition, and what was committed.

A member that comes back under its name in time gets its partitions back and nobody else notices; one that is not heard
of for the session timeout loses them; and what it says after that is refused.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError

from tests.simulation.clients import kafka_exception
from tests.simulation.loop import Process

TICK_S: Final = 0.1


class Member(Protocol):
    """A client of the group, in *process*, under the static name *instance*. All are called in its process."""

    instance: str
    process: Process

    async def release(self, partitions: list[int]) -> None:
        """Somebody else may own *partitions* once this returns."""

    def gain(self, owned: list[int], new: list[int]) -> None:
        """From now on this member owns *owned*, *new* among them."""

    def lost(self) -> None:
        """The group goes on without this member; it may join again."""


class _Standing:
    """What the coordinator knows of a member."""

    def __init__(self, member: Member, seen_s: float) -> None:
        self.member = member
        self.seen_s = seen_s
        self.has: set[int] = set()


class Group:
    """*eager* groups stop everybody for each change; others only who loses a partition."""

    def __init__(self, world: Any, partitions: int, session_s: float, *, eager: bool) -> None:
        self.offsets: dict[int, tuple[int, str]] = {}
        self._world = world
        self._partitions = partitions
        self._session_s = session_s
        self._eager = eager
        self._members: dict[str, _Standing] = {}
        self._unbalanced = False
        self._shuffle = False
        self._target: dict[int, str] | None = None
        self._awaited: set[str] = set()
        self._evicted: list[Member] = []

    def join(self, member: Member) -> None:
        standing = _Standing(member, self._world.loop.time())
        former = self._members.get(member.instance)
        self._members[member.instance] = standing
        if former is None:
            self._unbalanced = True
        elif self._target is not None:
            self._awaited.discard(member.instance)
        else:
            self._give(standing, former.has)

    def commit(self, member: Member, states: dict[int, tuple[int, str]]) -> None:
        """Raises KafkaException for anybody whom the group doesn't know any more."""
        standing = self._members.get(member.instance)
        if standing is None or standing.member is not member:
            raise kafka_exception(KafkaError.UNKNOWN_MEMBER_ID)
        self.offsets |= states

    def shuffle(self) -> None:
        """As if an operator had moved partitions about."""
        self._unbalanced = self._shuffle = True

    def thawed(self, process: Process) -> None:
        """A process that was away learns, a while later, what has become of its membership."""
        for member in [former for former in self._evicted if former.process is process]:
            self._evicted.remove(member)
            process.call(self._world.dice.uniform(0, 0.5), member.lost)

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Hears heartbeats, puts out the silent, and gives partitions away once those who had them have let go."""
        now_s = self._world.loop.time()
        for instance, standing in list(self._members.items()):
            if standing.member.process.runs:
                standing.seen_s = now_s
            elif now_s - standing.seen_s > self._session_s:
                self._evict(instance)
        if self._target is None and self._unbalanced and self._members:
            self._start()
        if self._target is not None and not self._awaited:
            self._finish(self._target)

    def _evict(self, instance: str) -> None:
        standing = self._members.pop(instance)
        self._world.trace(f"{instance} is put out of its group")
        self._awaited.discard(instance)
        self._unbalanced = True
        if standing.member.process.alive:
            self._evicted.append(standing.member)

    def _start(self) -> None:
        self._unbalanced = False
        self._target = self._balanced()
        for instance, standing in self._members.items():
            moved = sorted(p for p in standing.has if self._eager or self._target[p] != instance)
            if moved:
                self._awaited.add(instance)
                standing.member.process.spawn(self._release(standing, moved))

    async def _release(self, standing: _Standing, partitions: list[int]) -> None:
        await standing.member.release(partitions)
        instance = standing.member.instance
        if self._members.get(instance) is standing:
            self._awaited.discard(instance)

    def _finish(self, target: dict[int, str]) -> None:
        self._target = None
        for instance, standing in self._members.items():
            self._give(standing, (p for p, owner in target.items() if owner == instance))
        if not set(target.values()) <= self._members.keys():
            self._unbalanced = True

    def _give(self, standing: _Standing, partitions: Iterable[int]) -> None:
        owned = set(partitions)
        new = sorted(owned - standing.has)
        standing.has = owned
        standing.member.process.call(0.005, standing.member.gain, sorted(owned), new)

    def _balanced(self) -> dict[int, str]:
        """As many partitions for each member as for any other, most of them where they are."""
        names = sorted(self._members)
        if self._shuffle:
            self._shuffle = False
            self._world.dice.shuffle(names)
            return {partition: names[partition % len(names)] for partition in range(self._partitions)}
        target = {p: name for name in names for p in self._members[name].has}
        loads = {name: [p for p, owner in target.items() if owner == name] for name in names}
        for partition in range(self._partitions):
            if partition not in target:
                min(loads.values(), key=len).append(partition)
        while len(most := max(loads.values(), key=len)) - len(least := min(loads.values(), key=len)) > 1:
            least.append(most.pop())
        return {partition: name for name, owned in loads.items() for partition in owned}
