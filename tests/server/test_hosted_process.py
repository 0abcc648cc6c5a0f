"""The program as a hosted server: what a file of callers does to its start, its log, its figures and its end."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from runway_mcp.callers import hash_of
from runway_mcp.cli import main
from tests.kit.ports import free_ports
from tests.kit.processes import HttpServerProcess, http_server_process, serve_command, server_environment

pytestmark = pytest.mark.slow

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
NOWHERE = "http://127.0.0.1:9"


@contextmanager
def hosted(folder: Path, **ours: str) -> Generator[HttpServerProcess]:
    """A server with a file of one caller, whose token is `ana-token`."""
    file = folder / "callers.toml"
    file.write_text(f'[[callers]]\nname = "ana"\ntoken_sha256 = "{hash_of("ana-token")}"\n', encoding="utf-8")
    env = server_environment(NOWHERE, folder, RUNWAY_MCP_CALLERS=str(file), **ours)
    with http_server_process(serve_command("http"), env) as served:
        yield served


def asked(served: HttpServerProcess, path: str = "/mcp", token: str | None = None) -> tuple[int, str]:
    """The status and text of an answer: to a list of tools at `/mcp`, to a GET elsewhere."""
    connection = HTTPConnection(served.origin.removeprefix("http://"), timeout=30)
    headers = {"accept": "application/json", "content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    connection.request("POST" if path == "/mcp" else "GET", path, json.dumps(LIST), headers)
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def test_a_caller_of_the_file_comes_in_and_a_stranger_is_told_of_in_the_log_as_json(tmp_path: Path) -> None:
    with hosted(tmp_path, RUNWAY_MCP_LOG="json") as served:
        assert asked(served, token="ana-token")[0] == 200
        assert asked(served, token="bob-token")[0] == 401
        assert asked(served, "/readyz") == (200, '{"status":"ready"}')
    lines = [json.loads(line) for line in served.program.told if line.startswith("{")]
    (line,) = [line for line in lines if "was refused" in line["event"]]
    assert line["level"] == "WARNING"
    assert set(line) == {"ts", "level", "logger", "event", "replica"}
    assert "bob-token" not in "".join(served.program.told)


def test_a_server_whose_callers_have_no_useapi_token_yet_is_ready(tmp_path: Path) -> None:
    with hosted(tmp_path, USEAPI_TOKEN="") as served:
        assert asked(served, "/readyz") == (200, '{"status":"ready"}')


def test_figures_are_read_beside_the_server(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with hosted(tmp_path, RUNWAY_MCP_METRICS=address) as served:
        asked(served, token="ana-token")
        asked(served, token="wrong")
        connection = HTTPConnection(address, timeout=30)
        connection.request("GET", "/metrics")
        read = connection.getresponse().read().decode()
        connection.close()
    assert re.search(
        r'duration_seconds_count\{error_type="",gen_ai_tool_name="",mcp_method_name="tools/list",[^}]*"tcp"\} 1', read
    )
    assert 'runway_mcp_auth_refusals_total{reason="wrong"} 1.0' in read
    assert "ana" not in read


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_after_a_signal_it_serves_on_while_it_says_that_it_will_stop(number: int, tmp_path: Path) -> None:
    with hosted(tmp_path) as served:
        served.program.process.send_signal(number)
        began = time.monotonic()
        while asked(served, "/readyz")[0] == 200:
            continue
        assert asked(served, "/readyz") == (503, '{"status":"draining"}')
        assert asked(served, token="ana-token")[0] == 200
        assert served.program.process.wait(25) == 0
        assert time.monotonic() - began >= 4


@pytest.mark.parametrize(
    ("variable", "content", "told"),
    [
        ("RUNWAY_MCP_CALLERS", "[[", "RUNWAY_MCP_CALLERS cannot be used: it is no TOML"),
        ("RUNWAY_MCP_CALLERS", '[[callers]]\nname = "hunter2"\n', "RUNWAY_MCP_CALLERS cannot be used: the caller"),
        ("RUNWAY_MCP_CALLERS", None, "RUNWAY_MCP_CALLERS must be a file that exists"),
        ("RUNWAY_MCP_ISSUER", "", "RUNWAY_MCP_ISSUER needs RUNWAY_MCP_AUDIENCE or RUNWAY_MCP_PUBLIC_URL"),
    ],
)
def test_what_cannot_be_used_stops_the_start_with_one_line(
    variable: str, content: str | None, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "callers.toml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    value = "https://issuer.example.com" if variable.endswith("ISSUER") else str(file)
    env = server_environment(NOWHERE, tmp_path, **{variable: value})
    with pytest.raises(RuntimeError) as ended, http_server_process(serve_command("http"), env):
        pass
    assert told in str(ended.value)
    assert str(ended.value).count("\n") == 1


def test_a_new_caller_is_printed_and_a_bad_name_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["callers", "new", "ana"]) == 0
    token, entry = capsys.readouterr().out.split("\n\n", 1)
    assert hash_of(token) in entry
    assert main(["callers", "new", "Ana"]) == 2
    assert capsys.readouterr().out == ""


HOSTED_ALONE = (
    *("jwt", "prometheus_client", "runway_mcp.callers", "runway_mcp.server.hosted.hosting"),
    *("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests"),
    *("runway_mcp.server.spans", "runway_mcp.server.trace_export"),
)
IMPORTS = """
import sys
import runway_mcp.cli, runway_mcp.server.app, runway_mcp.server.tools.dispatch
import runway_mcp.server.transport.http, runway_mcp.server.transport.serving, runway_mcp.server.transport.stdio
print(*sys.modules)
"""


def test_without_callers_figures_and_traces_nothing_of_them_is_loaded() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  our own program

    loaded = set(run.stdout.split())
    assert "runway_mcp.server.transport.http" in loaded
    assert loaded & set(HOSTED_ALONE) == set()


def test_figures_of_a_server_with_one_token_count_who_comes_without_it(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    env = server_environment(NOWHERE, tmp_path, RUNWAY_MCP_METRICS=address, RUNWAY_MCP_ACCESS_TOKEN="one-token-for-all")
    with http_server_process(serve_command("http"), env) as served:
        assert (asked(served)[0], asked(served, token="wrong")[0]) == (401, 401)
        connection = HTTPConnection(address, timeout=30)
        connection.request("GET", "/metrics")
        read = connection.getresponse().read().decode()
        connection.close()
    for reason in ("missing", "wrong"):
        assert f'runway_mcp_auth_refusals_total{{reason="{reason}"}} 1.0' in read
