"""Variables without which the network is out of reach go into the entries of hosts that would not pass them on."""

import json
from typing import Any

import pytest

from runway_mcp.install.hosts import HOSTS
from tests.install.machines import SECRET, Desk

NETWORK = {"SSL_CERT_FILE": "/etc/ours.pem", "HTTPS_PROXY": "http://proxy.example:3128", "no_proxy": "127.0.0.1"}
INHERITING = {"claude-code", "vscode", "zed", "gemini", "goose", "opencode"}


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_set_here_goes_into_the_entry_unless_the_host_passes_it_on(host: str, desk: Desk) -> None:
    desk.environ = {**NETWORK, "USEAPI_TOKEN": SECRET, "HTTP_PROXY": " ", "OTHER": "x"}

    said = desk.install(host)

    text = desk.file(host).read_text()
    for name, value in NETWORK.items():
        assert (name in text, value in text) == ((host not in INHERITING),) * 2
        assert (name in said) == (host not in INHERITING)
    assert "HTTP_PROXY" not in text
    assert "OTHER" not in text
    assert "Nothing to change." in desk.install(host)
    desk.uninstall(host)
    assert not desk.file(host).exists()


def test_a_variable_that_the_entry_has_stays_and_one_that_it_lacks_is_added(desk: Desk) -> None:
    env = {"USEAPI_TOKEN": "user:1-old", "SSL_CERT_FILE": "/mine.pem"}
    entry = {"command": "uvx", "args": ["useapi-runway-mcp"], "env": env}
    desk.put("cursor", json.dumps({"mcpServers": {"runway": entry}}).encode())
    desk.environ = dict(NETWORK)

    desk.install("cursor")

    written: dict[str, Any] = json.loads(desk.file("cursor").read_text())["mcpServers"]["runway"]
    assert written["env"] == {**NETWORK, **env}


@pytest.mark.parametrize("host", ["cursor", "codex"])
def test_the_password_of_a_proxy_is_not_shown_and_closes_the_file(host: str, desk: Desk) -> None:
    file = desk.put(host, b"")
    file.chmod(0o644)
    desk.environ = {"HTTPS_PROXY": "http://me:hunter2@proxy.example:3128", "USEAPI_TOKEN": SECRET}

    said = desk.install(host) + desk.uninstall(host, print_only=True)

    assert "hunter2" in file.read_text()
    assert "hunter2" not in said
    assert SECRET not in said
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_added_beside_a_token_on_one_line_is_shown(desk: Desk) -> None:
    desk.put(
        "codex", b'[mcp_servers.a]\ncommand = "uvx"\nargs = ["runway_mcp"]\nenv = { USEAPI_TOKEN = "user:1-old" }\n'
    )
    desk.environ = {"SSL_CERT_FILE": "/etc/ours.pem"}

    said = desk.install("codex")

    assert 'SSL_CERT_FILE = "/etc/ours.pem"' in said
    assert "user:1-old" not in said
