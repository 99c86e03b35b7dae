"""A real Apache Kafka broker as a child process: one KRaft node, its own data folder, ports of the loopback."""

import base64
import contextlib
import subprocess
import time
import uuid
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from runtime import jars, process, telemetry
from runtime.broker_guard import Guard
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings

_READY_WITHIN_S: Final = 90.0
_STOP_WITHIN_S: Final = 20.0
_STARTS_MAX: Final = 3
_PORT_TAKEN: Final = "Address already in use"

#: One node: nothing can be replicated, few clients, and every start should be quick.
_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENT:PLAINTEXT",
    "inter.broker.listener.name": "CLIENT",
    "auto.create.topics.enable": "false",  # a misspelled topic is an error, not a new topic
    "offsets.topic.num.partitions": "10",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "10",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.dedupe.buffer.size": "33554432",
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "4000",  # after a kill, the controller waits so long before it lets the node in again
}

log = structlog.get_logger()


class EmbeddedBroker:
    """The broker on *folder*, running between ``with`` and its end. A later start, also after a kill, finds its data.

    *jar_cache* holds Kafka's jars for every broker of this machine. A *port* of 0 takes a free one at each start.
    Clients are sent to *advertised_port*, if there is one: something must carry them from there to *port*.
    Anybody on this machine may do anything with it, unless there is a *guard*.
    """

    def __init__(
        self,
        folder: Path,
        *,
        jar_cache: Path,
        port: int = 0,
        advertised_port: int | None = None,
        heap_mib: int = 1024,
        guard: Guard | None = None,
    ) -> None:
        self._advertised_port = advertised_port
        self._guard = guard
        self._folder = folder.absolute()
        self._jar_cache = jar_cache
        self._port = port
        self._heap_mib = heap_mib
        self._child: subprocess.Popen[bytes] | None = None
        self._claim = contextlib.ExitStack()
        self.bootstrap = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process ID of the Java process."""
        if self._child is None:
            raise RuntimeError("the broker isn't running")
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Raises Unavailable, with the end of the broker's log, if it doesn't."""
        started = time.monotonic()
        java = [jars.java(), "-cp", f"{jars.resolve(self._jar_cache)}/*"]
        taken = f"another broker runs on {self._folder}: stop it first, or choose another folder"
        self._claim.enter_context(process.locked(self._folder / "broker.lock", taken))
        try:
            for attempts_left in reversed(range(_STARTS_MAX)):
                if self._started(java, retry=not self._port and attempts_left > 0):
                    break
        except OSError as error:
            self.stop()
            raise Unavailable(f"the broker can't write to {self._folder}: {error.strerror or error}") from error
        except BaseException:
            self.stop()
            raise
        log.info("broker_ready", bootstrap=self.bootstrap, after_s=round(time.monotonic() - started, 1))

    def stop(self) -> None:
        """End it, cleanly if that takes less than 20 s."""
        self._end_child()
        self._claim.close()

    def _started(self, java: list[str], *, retry: bool) -> bool:
        """Launch it on new ports and wait. False, if *retry*, when somebody took a free port before Kafka could."""
        self._configure()
        self._format_storage(java)
        self._launch(java)
        try:
            self._wait_until_ready()
        except Unavailable:
            self._end_child()
            if retry and _PORT_TAKEN in self._log_end():
                return False
            raise
        return True

    def _end_child(self) -> None:
        if self._child is not None:
            process.stop(self._child, grace_s=_STOP_WITHIN_S)
            self._child = None

    @property
    def _properties_file(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _log_file(self) -> Path:
        return self._folder / "broker.log"

    def _configure(self) -> None:
        """Write the properties: the ports may be others than last time."""
        client = self._port or process.free_port()
        controller = process.free_port()
        self.bootstrap = f"127.0.0.1:{client}"
        properties = _PROPERTIES | {
            "log.dirs": str(self._folder / "data"),
            "listeners": f"CLIENT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self._advertised_port or client}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        if self._guard is not None:
            properties |= self._guard.properties()
        lines = "".join(f"{name}={value}\n" for name, value in properties.items())
        telemetry.write_atomically(self._properties_file, lines.encode(), mode=0o600)

    def _format_storage(self, java: list[str]) -> None:
        """Give an empty data folder its identity; Kafka refuses to start on one without."""
        if self._identity():
            return
        quick = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            _new_identity(),
            "--config",
            str(self._properties_file),
        ]
        done = subprocess.run([*java, *quick, *tool], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # our own command
        if done.returncode:
            raise Unavailable(f"Kafka can't use the folder {self._folder}: {(done.stderr or done.stdout).strip()}")

    def _launch(self, java: list[str]) -> None:
        heap = f"{self._heap_mib}m"
        flags = [f"-Xms{min(self._heap_mib, 256)}m", f"-Xmx{heap}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        logging = resources.files("runtime").joinpath("log4j2.properties")
        flags += ["-Xshare:auto", "-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={logging}"]
        with self._log_file.open("wb") as output:
            command = [*java, *flags, "kafka.Kafka", str(self._properties_file)]
            self._child = process.spawn(command, output=output)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        port = int(self.bootstrap.rpartition(":")[2])
        while time.monotonic() < deadline:
            if not self.alive:
                raise Unavailable(f"Kafka ended while starting; the end of {self._log_file}:\n{self._log_end()}")
            if process.listening(port) and cluster_at(self.bootstrap, self._guard) == self._identity():
                return  # it is this broker that answers, not one that has taken its port
            time.sleep(0.1)
        raise Unavailable(f"Kafka didn't answer within {_READY_WITHIN_S:.0f} s; see {self._log_file}")

    def _identity(self) -> str | None:
        """The cluster ID that the data folder was given, or None if it is new."""
        file = self._folder / "data" / "meta.properties"
        lines = file.read_text().splitlines() if file.exists() else []
        return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), None)

    def _log_end(self) -> str:
        """The last lines of its log, without the stack frames."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if not line.startswith("\t")][-12:])


def cluster_at(bootstrap: str, guard: Guard | None = None) -> str | None:
    """The ID of the cluster that gives metadata at *bootstrap* within 2 s, or None."""
    config = {"bootstrap.servers": bootstrap, "log_level": 0} | (guard.client() if guard is not None else {})
    try:
        metadata = AdminClient(config).list_topics(timeout=2)
    except KafkaException:
        return None
    identity: str | None = metadata.cluster_id
    return identity if metadata.brokers else None


def _new_identity() -> str:
    """A cluster ID as Kafka wants it: 16 random bytes in URL-safe Base64, not beginning with a dash."""
    return "f" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def main(settings: Settings, port: int = 9092, heap_mib: int = 1024, advertised_port: int | None = None) -> int:
    """Run a broker on ``var/kafka`` until SIGTERM or Ctrl-C."""
    telemetry.start(settings, "broker")
    with process.StopRequest() as stop:
        folder = settings.var / "kafka"
        running = EmbeddedBroker(
            folder,
            jar_cache=jars.cache_folder(settings),
            port=port,
            advertised_port=advertised_port,
            heap_mib=heap_mib,
        )
        with running as broker:
            while not stop.wait(0.5):
                if not broker.alive:
                    log.error("broker_died", log=str(folder / "broker.log"))
                    return Exit.TEMPORARY
    return Exit.OK
