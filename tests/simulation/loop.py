"""An event loop whose time is virtual, and processes that can be killed or stopped between any two of its steps.

Everything happens in one thread and in one order: what is ready runs first come, first served, and time passes only
when nothing is. A step knows its process by its context, so whatever a dead process left behind never runs.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, Final

_STEPS_AT_ONE_INSTANT_MAX: Final = 100_000
#: A task may have to be told more than once that it is over.
_ROUNDS_MAX: Final = 5


class Killed(BaseException):
    """The process in which this is raised is dead."""


class Process:
    """One incarnation of a worker or a gateway. *world* is what it lives in."""

    def __init__(self, name: str, world: Any) -> None:
        self.name = name
        self.world = world
        self.alive = True
        self.frozen = False
        self.clock_error_us = 0
        self.stop: Callable[[], None] | None = None  # asks it to end in good order
        self.held: list[asyncio.Handle] = []
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        world.loop.processes.append(self)

    @property
    def runs(self) -> bool:
        return self.alive and not self.frozen

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return self.world.loop.create_task(work, context=self.context)

    def call(self, delay_s: float, what: Callable[..., object], *arguments: Any) -> None:
        """Call *what* in this process later on, if it is still alive then."""
        self.world.loop.call_later(delay_s, what, *arguments, context=self.context)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Loop(asyncio.AbstractEventLoop):
    """*executor_s* says how long a call in a thread takes: half of it before the call, half of it after."""

    def __init__(self, executor_s: Callable[[], float]) -> None:
        self.errors: list[BaseException] = []
        self.processes: list[Process] = []
        self._executor_s = executor_s
        self._now_s = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._ticket = count()
        self._tasks: list[asyncio.Task[Any]] = []  # all there were: a dead process's too are ended by nobody but reap
        self._stopping = False
        self._reaping = False

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_until(self, end_s: float) -> None:
        """Lets things happen until *stop* is called, at *end_s* at the latest."""
        asyncio._set_running_loop(self)
        try:
            while not self._stopping and self._now_s < end_s:
                self._run_ready()
                if self._timers:
                    self._now_s = max(self._now_s, self._timers[0][0])
                    self._ready.append(heapq.heappop(self._timers)[2])
                elif not self._ready:
                    return
        finally:
            asyncio._set_running_loop(None)

    def _run_ready(self) -> None:
        for _ in range(_STEPS_AT_ONE_INSTANT_MAX):
            if not self._ready:
                return
            self._step(self._ready.popleft())
        raise RuntimeError(f"time doesn't get past {self._now_s} s: {self._ready[0]}")

    def _step(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        process = handle._context.get(PROCESS)
        if process is not None and not process.runs and not self._reaping:
            process.held.append(handle)
            return
        handle._run()

    def thaw(self, process: Process) -> None:
        """Everything that came due while *process* was frozen happens now."""
        process.frozen = False
        self._ready.extend(process.held)
        process.held.clear()

    def stop(self) -> None:
        self._stopping = True

    def reap(self) -> None:
        """Ends every task that is left, dead processes' too, so that none is found half-done by the collector."""
        self._reaping = True
        asyncio._set_running_loop(self)
        for process in self.processes:
            self.thaw(process)
        try:
            for _ in range(_ROUNDS_MAX):
                for task in self._tasks:
                    task.cancel()
                self._run_ready()
        finally:
            asyncio._set_running_loop(None)
            self._timers.clear()

    # ── what asyncio asks of a loop ─────────────────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        return self._now_s

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._ticket), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: it is passed over when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def run_in_executor(self, executor, func, *args):  # noqa: ARG002  # one thread
        """*func* as one step, a while from now; its result, a while after that."""
        done = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
                self.call_later(self._executor_s() / 2, _settle, done, None, error)
            else:
                self.call_later(self._executor_s() / 2, _settle, done, result, None)

        self.call_later(self._executor_s() / 2, work)
        return done

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, Killed) and not self._reaping:
            self.errors.append(error)


def _settle(done: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
