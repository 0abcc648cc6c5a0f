import pytest

from runway_mcp.media.errors import RefusedLink
from runway_mcp.media.fetch.addresses import Target, is_loopback, is_public, judged_link, may_dial, redirected

STAND_IN = "http://127.0.0.1:8000"


@pytest.mark.parametrize("address", ["1.1.1.1", "52.84.0.1", "223.255.255.254", "2600:9000::1", "2a00:1450::8"])
def test_a_public_address_may_be_dialled(address: str) -> None:
    assert is_public(address)
    assert not is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.5", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1"),  # noqa: S104  judged, not bound
        *("192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1"),
        *("224.0.0.1", "239.1.1.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::1.1.1.1", "::ffff:10.0.0.1", "::ffff:1.1.1.1", "64:ff9b::7f00:1"),
        *("64:ff9b::101:101", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:2::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:101:101::", "3fff::1", "5f00::1"),
        *("fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "2600:9000::1%1"),
        *("", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "1.1.1.1:443", "[::1]"),
    ],
)
def test_no_other_address_may_be_dialled(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("addresses", "public", "loopback"),
    [
        ({"1.1.1.1", "2600:9000::1"}, True, False),
        ({"1.1.1.1", "10.0.0.1"}, False, False),
        ({"127.0.0.1", "::1"}, False, True),
        ({"127.0.0.1", "1.1.1.1"}, False, False),
        ({"::ffff:127.0.0.1"}, False, False),
        (set[str](), False, False),
    ],
)
def test_one_bad_address_among_several_refuses_the_name(addresses: set[str], public: bool, loopback: bool) -> None:
    assert (may_dial(addresses, loopback=False), may_dial(addresses, loopback=True)) == (public, loopback)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://a.cloudfront.net/f.mp4?_jwt=x.y-z_", Target("https", "a.cloudfront.net", 443, "/f.mp4?_jwt=x.y-z_")),
        ("HTTPS://A.Example", Target("https", "a.example", 443, "/")),
        ("https://a.example:8443/%2e%2E/é", Target("https", "a.example", 8443, "/%2e%2E/%C3%A9")),
        ("https://a.example/a#part", Target("https", "a.example", 443, "/a")),
        ("https://[2600:9000::1]/a", Target("https", "2600:9000::1", 443, "/a")),
        ("http://127.0.0.1:8000/files/f.mp4", Target("http", "127.0.0.1", 8000, "/files/f.mp4")),
    ],
)
def test_a_link_that_may_be_followed_is_told_in_its_parts(link: str, target: Target) -> None:
    assert judged_link(link, allowed_origin=STAND_IN) == target


@pytest.mark.parametrize(
    "link",
    [
        *("", "/files/f.mp4", "a.example/f.mp4", "//a.example/f.mp4", "https://", "https:///f.mp4", "https://:443/"),
        *("http://a.example/f.mp4", "ftp://a.example/", "file:///etc/passwd", "data:video/mp4,x", "unix:/run/x"),
        *("https://me@a.example/", "https://me:pw@a.example/", "https://@a.example/", "https://a.example@10.0.0.1/"),
        *("https://a.example:0/", "https://a.example:99999/", "https://a.example:x/", "https://[::1/", "https://[x]/"),
        *("https://a.example\\@10.0.0.1/", "https://a.example/a b", "https://a.example/\n", "\thttps://a.example/"),
        *("https://a.example/\r\nHost: b", "https://ä.example/", "https://[fe80::1%25eth0]/", "https://a%2eb/"),
        "https://a.example/" + "a" * 9000,
        *("http://127.0.0.1:8001/f", "http://127.0.0.2:8000/f", "http://localhost:8000/f", "https://127.0.0.1:8000/f"),
        *("http://127.0.0.1:8000@a.example/f", "http://me@127.0.0.1:8000/f"),
    ],
)
def test_any_other_link_is_refused_without_being_quoted(link: str) -> None:
    with pytest.raises(RefusedLink) as caught:
        judged_link(link, allowed_origin=STAND_IN)

    assert not link or link not in str(caught.value)


def test_without_an_allowed_origin_nothing_is_plain_http() -> None:
    with pytest.raises(RefusedLink, match="not https"):
        judged_link("http://127.0.0.1:8000/f")


SIGNED = "https://a.example/f.mp4?_jwt=1"


@pytest.mark.parametrize(
    ("start", "location", "leads"),
    [
        (SIGNED, "https://b.example/g?x=1", "https://b.example:443/g?x=1"),
        (SIGNED, "//b.example/g", "https://b.example:443/g"),
        (SIGNED, "/g", "https://a.example:443/g"),
        (SIGNED, "g?y=2", "https://a.example:443/g?y=2"),
        ("https://a.example:8443/f", "https://b.example:8443/g", "https://b.example:8443/g"),
        ("https://a.example:8443/f", "https://b.example/g", "https://b.example:443/g"),
        ("https://[2600:9000::1]/f", "/g", "https://2600:9000::1:443/g"),
        (STAND_IN + "/f", "/g", "http://127.0.0.1:8000/g"),
        (STAND_IN + "/f", "https://b.example/g", "https://b.example:443/g"),
        (SIGNED, "http://a.example/f.mp4", None),
        (SIGNED, "https://b.example:22/g", None),
        (SIGNED, "https://b.example:8443/g", None),
        (SIGNED, STAND_IN + "/g", None),
        (SIGNED, "https://me@b.example/g", None),
        (SIGNED, "file:///etc/passwd", None),
        (SIGNED, "https://[::1/g", None),
        (SIGNED, "https://b.example/a\r\nX: 1", None),
        (STAND_IN + "/f", "http://127.0.0.1:8001/g", None),
    ],
)
def test_a_redirect_is_judged_as_a_link_and_leaves_the_port_only_for_443(
    start: str, location: str, leads: str | None
) -> None:
    first = judged_link(start, allowed_origin=STAND_IN)
    told = None
    try:
        target = redirected(first, location, allowed_origin=STAND_IN, first_port=first.port)
        told = f"{target.scheme}://{target.host}:{target.port}{target.path}"
    except RefusedLink:
        pass

    assert told == leads
