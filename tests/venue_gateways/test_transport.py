"""Whether anything was sent: against servers that refuse, hang up and babble."""

import asyncio
import contextlib
import socket

import httpx
import pytest

from venue_gateways.transport import Lost, NotSent, Slots, Transport
from venue_gateways.venue import HttpRequest

REQUEST = HttpRequest("GET", "/a?b=c%2B&signature=%EF%BC%91", (("X-Key", "k"),))


@contextlib.asynccontextmanager
async def server(answer):
    """A server that reads one request at a time and does what *answer* says; it collects what it read."""
    heard: list[bytes] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                heard.append(await reader.readuntil(b"\r\n\r\n"))
                if not await answer(writer):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with Transport(f"http://127.0.0.1:{port}", 2) as transport:
        yield transport, heard
    listener.close()
    await asyncio.gather(*serving)


async def well(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 418 Teapot\r\nRetry-After: 7\r\nX-MBX-Used-Weight-1M: 3\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()
    return True


async def test_what_was_signed_is_what_is_sent_and_any_status_is_an_answer():
    async with server(well) as (transport, heard):
        for _ in range(3):
            response = await transport.send(REQUEST)
        assert response.status == 418
        assert response.body == b"{}"
        assert response.headers["x-mbx-used-weight-1m"] == "3"
        assert response.headers["retry-after"] == "7"
        assert len(transport._slots._idle) == 1  # kept alive
    line, *headers = heard[0].split(b"\r\n")
    assert line == b"GET /a?b=c%2B&signature=%EF%BC%91 HTTP/1.1"
    assert b"X-Key: k" in headers


@pytest.mark.parametrize(
    "words",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n"],
)
async def test_a_connection_that_breaks_after_the_request_is_lost_not_unsent(words):
    async def answer(writer: asyncio.StreamWriter) -> bool:
        writer.write(words)
        await writer.drain()
        return False

    async with server(answer) as (transport, heard):
        with pytest.raises(Lost):
            await transport.send(REQUEST)
        assert len(heard) == 1


async def test_a_refused_connection_is_unsent():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        async with Transport(f"http://127.0.0.1:{unheard.getsockname()[1]}", 1) as transport:
            for _ in range(2):
                with pytest.raises(NotSent, match="ConnectError"):
                    await transport.send(REQUEST)


async def test_a_connection_that_the_venue_closed_while_it_was_idle_is_not_used_again():
    async def answer(writer: asyncio.StreamWriter) -> bool:
        await well(writer)
        return False

    async with server(answer) as (transport, heard):
        for _ in range(3):
            assert (await transport.send(REQUEST)).status == 418
            await asyncio.sleep(0.05)
        assert len(heard) == 3


async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch):
    monkeypatch.setattr("venue_gateways.transport.KEEP_ALIVE_S", 0.02)
    async with server(well) as (transport, _):
        await transport.send(REQUEST)
        (first,) = transport._slots._idle
        await asyncio.sleep(0.05)
        await transport.send(REQUEST)
        (second,) = transport._slots._idle
        assert first is not second
        assert first.is_closed()


async def test_a_placement_says_that_it_has_no_body():
    async with server(well) as (transport, heard):
        await transport.send(HttpRequest("POST", "/order?a=1"))
        await transport.send(HttpRequest("DELETE", "/order?a=1"))
        host = transport._url.netloc
    assert heard == [
        b"POST /order?a=1 HTTP/1.1\r\nHost: %b\r\nContent-Length: 0\r\n\r\n" % host,
        b"DELETE /order?a=1 HTTP/1.1\r\nHost: %b\r\n\r\n" % host,
    ]


async def test_a_call_that_is_given_up_takes_its_connection_with_it():
    async def answer(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.1)
        return await well(writer)

    async with server(answer) as (transport, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await transport.send(REQUEST)
        assert transport._slots._idle == []
        assert (await transport.send(REQUEST)).status == 418


async def test_a_connection_that_was_lost_is_replaced():
    calls = 0

    async def answer(writer: asyncio.StreamWriter) -> bool:
        nonlocal calls
        calls += 1
        return await well(writer) if calls > 1 else False

    async with server(answer) as (transport, _):
        with pytest.raises(Lost):
            await transport.send(REQUEST)
        assert (await transport.send(REQUEST)).status == 418


async def test_no_more_connections_are_open_than_allowed():
    most = open_ = 0

    async def answer(writer: asyncio.StreamWriter) -> bool:
        nonlocal most, open_
        open_ += 1
        most = max(most, open_)
        await asyncio.sleep(0.02)
        open_ -= 1
        return await well(writer)

    async with server(answer) as (transport, heard):
        await asyncio.gather(*(transport.send(REQUEST) for _ in range(10)))
    assert most == 2
    assert len(heard) == 10


async def test_a_call_that_gets_no_connection_in_time_is_unsent(monkeypatch):
    monkeypatch.setattr("venue_gateways.transport.POOL_TIMEOUT_S", 0.05)

    async def answer(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.3)
        return await well(writer)

    async with server(answer) as (transport, heard):
        results = await asyncio.gather(*(transport.send(REQUEST) for _ in range(3)), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["HttpResponse", "HttpResponse", "NotSent"]
    assert len(heard) == 2


async def test_any_client_of_httpx_can_call_through_the_slots():
    async with server(well) as (transport, heard):
        url = transport._url
        async with httpx.AsyncClient(transport=Slots(url, 1), base_url=url) as client:
            for _ in range(2):
                response = await client.get("/time", headers={"X-Key": "k"})
            assert (response.status_code, response.json(), response.headers["retry-after"]) == (418, {}, "7")
            with pytest.raises(httpx.UnsupportedProtocol, match="only"):
                await client.get("http://127.0.0.1:9/elsewhere")
    assert [line.partition(b"\r\n")[0] for line in heard] == [b"GET /time HTTP/1.1"] * 2


@pytest.mark.parametrize(
    ("words", "error"), [(b"", httpx.RemoteProtocolError), (b"\x00\x01garbage\r\n\r\n", httpx.RemoteProtocolError)]
)
async def test_what_goes_wrong_on_a_connection_has_httpx_s_names(words, error):
    async def answer(writer: asyncio.StreamWriter) -> bool:
        writer.write(words)
        await writer.drain()
        return False

    async with server(answer) as (transport, _), httpx.AsyncClient(transport=Slots(transport._url, 1)) as client:
        with pytest.raises(error):
            await client.get(transport._url)


async def test_a_client_of_httpx_is_told_when_no_slot_becomes_free_in_its_time():
    async def answer(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.2)
        return await well(writer)

    async with server(answer) as (transport, _):
        timeout = httpx.Timeout(5, pool=0.02)
        async with httpx.AsyncClient(transport=Slots(transport._url, 1), timeout=timeout) as client:
            results = await asyncio.gather(*(client.get(transport._url) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [httpx.Response, httpx.PoolTimeout]
