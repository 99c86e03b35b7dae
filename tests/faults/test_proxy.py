"""What goes through the proxy comes out unchanged, unless the path is ill; then it is ill in the way that was asked."""

import socket
import socketserver
import threading
import time

import pytest

from runtime import process
from runtime.chaos.proxy import Ill, Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65_536):
            self.server.heard += data
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    heard = b""

    def handle_error(self, request, client_address):
        """A reset connection is what some of these tests are about."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with Proxy("echo", process.free_port(), server.server_address[1]) as running:
        yield running


@pytest.fixture
def client(proxy):
    with connect(proxy) as connection:
        assert talk(connection, b"hello") == b"hello"
        yield connection


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


def talk(connection, data):
    connection.sendall(data)
    answer = b""
    while len(answer) < len(data):
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("ended")
        answer += part
    return answer


def talk_on(connection):
    """Until somebody ends the connection, which may take a moment."""
    while True:
        talk(connection, b"anybody?")


def test_every_byte_arrives_in_its_order(client, proxy):
    data = bytes(range(256)) * 4_000
    received = bytearray()

    def read():
        while len(received) < len(data):
            received.extend(client.recv(65_536))

    reader = threading.Thread(target=read)
    reader.start()
    client.sendall(data)
    reader.join(60)
    assert bytes(received) == data
    give_up_s = time.monotonic() + 60
    while proxy.bytes_carried < 2 * len(data) and time.monotonic() < give_up_s:
        time.sleep(0.01)  # the last of it is counted after it was sent
    assert proxy.bytes_carried >= 2 * len(data)


def test_a_delay_makes_everything_late_and_ends(client, proxy):
    with proxy.suffering(Ill.DELAYED, 0.1):
        began_s = time.monotonic()
        assert talk(client, b"slow") == b"slow"
        assert time.monotonic() - began_s >= 0.2  # there and back
    assert talk(client, b"quick") == b"quick"


def test_a_cut_resets_connections_and_new_ones_go_through_afterwards(client, proxy):
    with proxy.suffering(Ill.CUT), pytest.raises(ConnectionError):
        talk_on(client)
    with connect(proxy) as another:
        assert talk(another, b"again") == b"again"


def test_while_it_is_cut_new_connections_are_reset(proxy):
    def attempt():
        with connect(proxy) as another:
            talk_on(another)

    with proxy.suffering(Ill.CUT), pytest.raises(ConnectionError):
        attempt()


def test_a_mute_server_hears_and_is_not_heard(client, proxy, server):
    client.settimeout(0.3)
    with proxy.suffering(Ill.MUTE):
        client.sendall(b"order")
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert server.heard.endswith(b"order")
    client.settimeout(5)
    with pytest.raises(ConnectionError):  # an answer so late is nobody's any more
        talk_on(client)


def test_a_deaf_path_carries_nothing_either_way(client, proxy, server):
    client.settimeout(0.3)
    with proxy.suffering(Ill.DEAF):
        client.sendall(b"order")
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert not server.heard.endswith(b"order")


def test_a_server_that_is_away_ends_the_clients_connection():
    with (
        Proxy("nobody", process.free_port(), process.free_port()) as proxy,
        connect(proxy) as connection,
    ):
        assert connection.recv(1) == b""


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(OSError, match="can't listen"), Proxy("echo", server.server_address[1], 1):
        pass
