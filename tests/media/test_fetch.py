"""What leaves this machine, and whereto: addresses dialled, redirects followed, headers sent, certificates checked."""

import errno
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpcore
import pytest
import trustme

from runway_mcp.media.errors import (
    Cut,
    DeadLink,
    LinkError,
    NoFilm,
    RefusedAddress,
    RefusedLink,
    Unreachable,
)
from runway_mcp.media.fetch.client import Limits, Links, open_links
from runway_mcp.media.fetch.network import Stream
from tests.media.hosts import PUBLIC, QUICK, Network, RawHost, answer, film_host, raw_host

LIMIT = 60.0
NAME = "films.example"


async def body_of(links: Links, link: str, **wanted: str) -> bytes:
    deadline = anyio.current_time() + links.limits.whole_seconds
    with anyio.fail_after(LIMIT):
        async with links.get(link, wanted=wanted, deadline=deadline) as response:
            return b"".join([chunk async for chunk in response.chunks])


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_a_lack_of_descriptors_is_told_as_this_machine_s_and_not_as_the_host_s(number: int) -> None:
    async def dial(_address: str, _port: int, _seconds: float | None) -> Stream:
        error = httpcore.ConnectError()
        error.__context__ = OSError(number, os.strerror(number))
        raise error

    network = Network({NAME: [[PUBLIC]]}, {})
    async with open_links(limits=QUICK, resolve=network.resolve, dial=dial) as links:
        with pytest.raises(Unreachable, match=r"could not leave this machine: .* no file descriptor left.*ulimit"):
            await body_of(links, f"https://{NAME}/f.mp4")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def served_as(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  of PyOpenSSL too
    return context


@asynccontextmanager
async def tls_host(
    authority: trustme.CA, *answers: bytes, name: str = NAME, trusted: bool = True
) -> AsyncGenerator[tuple[RawHost, Network, Links]]:
    """A host with a certificate for `name`, at a public address under the name `films.example`."""
    context = ssl.create_default_context()
    if trusted:
        authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  of PyOpenSSL too
    async with raw_host(*answers, tls=served_as(authority, name)) as host:
        network = Network({NAME: [[PUBLIC]]}, {PUBLIC: host.port})
        async with open_links(limits=QUICK, resolve=network.resolve, dial=network.dial, tls=context) as links:
            yield host, network, links


async def test_a_link_is_fetched_from_the_address_that_was_judged_under_the_name_s_certificate(
    authority: trustme.CA,
) -> None:
    async with tls_host(authority, answer(body=b"film")) as (host, network, links):
        body = await body_of(links, f"https://{NAME}/f.mp4?_jwt=x")

    assert body == b"film"
    assert network.dialled == [PUBLIC]
    assert host.heads[0].startswith(b"GET /f.mp4?_jwt=x HTTP/1.1\r\nHost: films.example\r\n")


@pytest.mark.parametrize(("name", "trusted"), [("other.example", True), (PUBLIC, True), (NAME, False)])
async def test_a_certificate_of_another_name_or_of_a_stranger_is_refused_before_a_byte_is_sent(
    authority: trustme.CA, name: str, trusted: bool
) -> None:
    async with tls_host(authority, answer(body=b"film"), name=name, trusted=trusted) as (host, _, links):
        with pytest.raises(RefusedLink, match="certificate"):
            await body_of(links, f"https://{NAME}/f.mp4")

    assert host.heads == []


async def test_a_request_carries_nothing_but_what_a_file_needs(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_host(answer("500 Proxy")) as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        cookie = answer(body=b"film", Set_Cookie="a=b", Connection="close")
        async with tls_host(authority, cookie) as (host, _, links):
            for _ in range(2):
                await body_of(links, f"https://{NAME}/f.mp4", Range="bytes=0-9")

    names = [line.partition(b":")[0].lower() for line in host.heads[1].split(b"\r\n")[1:] if line]
    assert sorted(names) == [b"accept", b"accept-encoding", b"host", b"range", b"user-agent"]
    assert b"Accept-Encoding: identity\r\n" in host.heads[1]
    assert proxy.heads == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.5"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["64:ff9b::7f00:1"],
        ["::ffff:10.0.0.5"],
        [PUBLIC, "192.168.0.1"],
        ["fe80::1%lo"],
        [],
    ],
)
async def test_a_name_with_an_address_that_is_not_public_is_never_dialled(addresses: list[str]) -> None:
    network = Network({NAME: [addresses]}, {PUBLIC: 1})
    async with open_links(limits=QUICK, resolve=network.resolve, dial=network.dial) as links:
        with pytest.raises(RefusedAddress, match="not public"):
            await body_of(links, f"https://{NAME}/f.mp4")

    assert network.dialled == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "0.0.0.0"])  # noqa: S104  dialled in no case
async def test_a_spelling_of_this_machine_is_refused_with_the_system_s_own_resolver(host: str) -> None:
    network = Network()
    async with open_links(limits=QUICK, dial=network.dial) as links:
        with pytest.raises((RefusedAddress, Unreachable)):
            await body_of(links, f"https://{host}/f.mp4")

    assert network.dialled == []


async def test_a_name_that_moves_to_a_private_address_between_two_requests_is_refused_at_the_second(
    authority: trustme.CA,
) -> None:
    async with tls_host(authority, answer(body=b"film", Connection="close")) as (_, network, links):
        network.names[NAME] = [[PUBLIC], ["10.0.0.5"]]
        assert await body_of(links, f"https://{NAME}/f.mp4") == b"film"
        with pytest.raises(RefusedAddress):
            await body_of(links, f"https://{NAME}/f.mp4")

    assert network.dialled == [PUBLIC]


async def test_the_next_address_is_dialled_where_the_first_gives_no_connection(authority: trustme.CA) -> None:
    async with tls_host(authority, answer(body=b"film")) as (_, network, links):
        network.names[NAME] = [["2600:9000::1", PUBLIC]]

        assert await body_of(links, f"https://{NAME}/f.mp4") == b"film"

    assert network.dialled == ["2600:9000::1", PUBLIC]


async def test_the_stand_in_is_reached_over_http_and_at_loopback_alone() -> None:
    async with film_host(b"film") as host:
        network = Network({"127.0.0.1": [["127.0.0.1"], [PUBLIC]]})
        async with open_links(
            allowed_origin=host.origin, limits=QUICK, resolve=network.resolve, dial=network.dial
        ) as links:
            body = await body_of(links, host.link())
        async with open_links(
            allowed_origin=host.origin, limits=QUICK, resolve=network.resolve, dial=network.dial
        ) as links:
            with pytest.raises(RefusedAddress):
                await body_of(links, host.link())

    assert body == b"film"
    assert network.dialled == ["127.0.0.1"]


async def test_the_real_upstream_as_allowed_origin_allows_nothing_more(authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  of PyOpenSSL too
    async with raw_host(answer(body=b"film"), tls=served_as(authority, NAME)) as host:
        network = Network({NAME: [["127.0.0.1"], [PUBLIC]]}, {PUBLIC: host.port})
        async with open_links(
            allowed_origin=f"https://{NAME}/v1", limits=QUICK, resolve=network.resolve, dial=network.dial, tls=context
        ) as links:
            with pytest.raises(RefusedAddress):
                await body_of(links, f"https://{NAME}/f.mp4")
            assert await body_of(links, f"https://{NAME}/f.mp4") == b"film"
            with pytest.raises(RefusedLink, match="not https"):
                await body_of(links, f"http://{NAME}/f.mp4")

    assert network.dialled == [PUBLIC]


def redirect(location: str) -> bytes:
    return answer("302 Found", Location=location)


async def test_three_redirects_are_followed_and_a_fourth_is_refused(authority: trustme.CA) -> None:
    steps = [redirect("/2"), redirect("3"), redirect(f"https://{NAME}/4")]
    async with tls_host(authority, *steps, answer(body=b"film")) as (host, _, links):
        assert await body_of(links, f"https://{NAME}/1") == b"film"
    async with tls_host(authority, *steps, redirect("/5"), answer(body=b"film")) as (further, _, links):
        with pytest.raises(RefusedLink, match="more than 3"):
            await body_of(links, f"https://{NAME}/1")

    assert [head.split()[1] for head in host.heads] == [b"/1", b"/2", b"/3", b"/4"]
    assert len(further.heads) == 4


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("https://private.example/f.mp4", RefusedAddress),
        ("https://10.0.0.5/f.mp4", RefusedAddress),
        ("https://127.0.0.1/f.mp4", RefusedAddress),
        ("https://[::1]/f.mp4", RefusedAddress),
        (f"http://{NAME}/f.mp4", RefusedLink),
        ("http://127.0.0.1:8000/f.mp4", RefusedLink),
        (f"https://{NAME}:22/f.mp4", RefusedLink),
        ("https://me:pw@films.example/", RefusedLink),
        ("file:///etc/passwd", RefusedLink),
    ],
)
async def test_a_redirect_to_a_refused_place_is_not_followed(
    authority: trustme.CA, location: str, error: type[LinkError]
) -> None:
    async with tls_host(authority, redirect(location)) as (host, network, links):
        network.names["private.example"] = [["10.0.0.5"]]
        with pytest.raises(error) as caught:
            await body_of(links, f"https://{NAME}/f.mp4")

    assert type(caught.value) is error
    assert location not in str(caught.value)
    assert network.dialled == [PUBLIC]
    assert len(host.heads) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, DeadLink) for status in ("401 No", "403 No", "404 No", "410 No")),
        *((status, Unreachable) for status in ("408 Late", "425 Early", "429 Slow", "500 Oops", "503 Busy")),
        *((status, NoFilm) for status in ("204 None", "304 Same", "400 Bad", "418 Tea")),
    ],
)
async def test_a_status_is_told_by_what_can_be_done_about_it(
    authority: trustme.CA, status: str, error: type[LinkError]
) -> None:
    async with tls_host(authority, answer(status)) as (_, _, links):
        with pytest.raises(error) as caught:
            await body_of(links, f"https://{NAME}/f.mp4?_jwt=secret")

    assert type(caught.value) is error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
)
async def test_an_answer_that_breaks_off_is_a_cut(authority: trustme.CA, raw: bytes) -> None:
    async with tls_host(authority, raw) as (_, _, links):
        with pytest.raises(Cut):
            await body_of(links, f"https://{NAME}/f.mp4")


async def test_a_host_where_nobody_listens_is_unreachable() -> None:
    network = Network({NAME: [[PUBLIC]]})
    async with open_links(limits=QUICK, resolve=network.resolve, dial=network.dial) as links:
        with pytest.raises(Unreachable, match="No connection"):
            await body_of(links, f"https://{NAME}/f.mp4")


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(silence_seconds=1.0, whole_seconds=50.0), "silent"), (Limits(whole_seconds=2.0), "too long")],
)
async def test_silence_and_a_drip_both_end_in_time(limits: Limits, words: str) -> None:
    async with film_host(bytes(1000)) as host:
        host.spoil("stall" if words == "silent" else "slow", after_bytes=1, seconds=0.01)
        async with open_links(allowed_origin=host.origin, limits=limits) as links:
            with pytest.raises(Cut, match=words):
                await body_of(links, host.link())


async def test_a_resolver_that_never_answers_ends_in_time() -> None:
    async def silent(_: str, __: int) -> list[str]:
        await anyio.sleep_forever()
        return []

    async with open_links(limits=Limits(connect_seconds=0.05), resolve=silent) as links:
        with pytest.raises(Unreachable):
            await body_of(links, f"https://{NAME}/f.mp4")
