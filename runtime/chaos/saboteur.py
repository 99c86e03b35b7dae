"""Carries out a schedule of faults: a thread for each track, each fault noted with its beginning and its end."""

import threading
import time
from collections.abc import Mapping, Sequence
from random import Random

import msgspec
import structlog

from runtime.chaos import faults
from runtime.chaos.schedule import Act, Track
from runtime.chaos.stage import Absent, Interrupted, Stage

log = structlog.get_logger()


class Happened(msgspec.Struct, frozen=True):
    """A fault that was carried out; *failed* says why not, if it couldn't be."""

    fault: str
    track: Track
    victim: str
    began_us: int
    ended_us: int
    failed: str | None = None


class Saboteur:
    """Does *acts* on *stage* from :meth:`start` on. At the end, all that it broke is whole."""

    def __init__(self, stage: Stage, acts: Mapping[Track, Sequence[Act]]) -> None:
        self.acts = acts
        self.stage = stage
        self.happened: list[Happened] = []
        self.going_on: dict[Track, str] = {}
        self._threads = [
            threading.Thread(target=self._perform, args=(track,), name=f"saboteur-{track}", daemon=True)
            for track in acts
        ]
        self._began_s = 0.0

    def start(self) -> None:
        self._began_s = time.monotonic()
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Ends it early."""
        self.stage.end()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _perform(self, track: Track) -> None:
        try:
            for act in self.acts[track]:
                self.stage.wait(self._began_s + act.at_s - time.monotonic())
                self._do(track, act)
        except Interrupted:
            log.info("track_interrupted", track=track)
        finally:
            self.going_on.pop(track, None)

    def _do(self, track: Track, act: Act) -> None:
        self.going_on[track] = act.fault
        began_us, victim, failed = time.time_ns() // 1_000, "", None
        log.warning("fault_begins", fault=act.fault, length_s=act.length_s)
        try:
            victim = faults.BY_NAME[act.fault].deed(self.stage, act.length_s, Random(act.dice))  # noqa: S311  # repeatable
        except Interrupted:
            raise
        except Absent as absent:
            failed = str(absent)
        except Exception as error:  # noqa: BLE001  # a fault that can't be done is told; the others go on
            failed = repr(error)
        happened = Happened(act.fault, track, victim, began_us, time.time_ns() // 1_000, failed)
        log.warning("fault_ended", **msgspec.structs.asdict(happened))
        self.happened.append(happened)
        self.going_on.pop(track, None)
