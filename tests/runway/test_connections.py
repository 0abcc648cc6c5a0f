import pytest

from runway_mcp.runway.http import exchange
from runway_mcp.runway.http.connections import usable

URLS = [
    ("https://api.useapi.net/v1/runwayml", True),
    ("http://127.0.0.1:8765/v1/runwayml", True),
    ("http://127.0.0.1:39341/v1/runwayml", True),
    ("http://127.0.0.1:60999", True),
    ("http://127.0.0.1:65535", True),
    ("https://a", True),
    ("HTTPS://API.example/v1", True),
    ("https://api.example:443/v1", True),
    ("http://[::1]:8000/", True),
    ("https://user:secret@api.example/v1", False),
    ("https://user@api.example/v1", False),
    ("ftp://api.example/v1", False),
    ("https:///v1", False),
    ("https://[::1/v1", False),
    ("https://api.example:port/v1", False),
    ("https://xn--zzzzzz--.example/v1", False),
    ("https://127.0.0.999/v1", False),
    ("https://api.example/v1\n", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "is_usable"), URLS)
def test_a_url_is_judged_alike_with_and_without_the_http_client(url: str, *, is_usable: bool) -> None:
    assert usable(url) is exchange.is_http_url(url) is is_usable
