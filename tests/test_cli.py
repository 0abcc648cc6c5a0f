import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client, StdioServerParameters

from runway_mcp import __version__
from runway_mcp.cli import main
from tests.kit import processes
from tests.kit.processes import PROGRAM, served_one_call

SCRIPT = Path(sys.executable).with_name("useapi-runway-mcp")
SECRET = "user:1234-hunter2"


def environment(data: Path, **ours: str) -> dict[str, str]:
    """The environment of a process: this one's without our variables, a data folder of its own, and then `ours`."""
    return processes.environment(
        **{"RUNWAY_MCP_DATA_DIR": str(data), "RUNWAY_MCP_SAVE_DIR": str(data / "films")} | ours
    )


def get(url: str, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of the answer to a GET; None where there is no JSON."""
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith((b"{", b"[")) else None
    finally:
        connection.close()


def run(*arguments: str, data: Path, **ours: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with no input."""
    return subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, *arguments],
        env=environment(data, **ours),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


AFTER_SERVING = "import gc; from runway_mcp.cli import main; main([]); print(gc.get_freeze_count())"


@pytest.mark.slow
def test_what_the_server_has_loaded_is_not_visited_by_garbage_collection(tmp_path: Path) -> None:
    frozen = served_one_call([sys.executable, "-c", AFTER_SERVING], environment(tmp_path))

    assert int(frozen.splitlines()[-1]) > 50_000


@contextmanager
def listening(*arguments: str, data: Path, **ours: str) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """A server that listens, with the lines in which it says where, and where its ledger is.

    It is killed at the end if it still runs.
    """
    with subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, "serve", *arguments, "--port", "0"], env=environment(data, **ours), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        try:
            yield process, [process.stderr.readline().strip() for _ in range(3 if "sse" in arguments else 2)]
        finally:
            process.kill()


@pytest.mark.parametrize(
    "question",
    [
        "--help",
        "--version",
        "serve --help",
        "simulate --help",
        "demo --help",
        "install --help",
        "uninstall --help",
        "doctor --help",
    ],
)
def test_help_and_version_need_nothing_that_is_slow_to_import(question: str, tmp_path: Path) -> None:
    answer = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-X", "importtime", *PROGRAM[1:], *question.split()],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in answer.stderr.splitlines()}
    assert "argparse" in imported
    assert (
        not {
            "mcp",
            "mcp_types",
            "pydantic",
            "anyio",
            "httpx",
            "starlette",
            "uvicorn",
            "av",
            "PIL",
            "rich",
            "tomlkit",
            "ruamel",
        }
        & imported
    )
    assert "useapi-runway-mcp" in answer.stdout


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"useapi-runway-mcp {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("extend", "COMMAND"),
        ("serve --transport carrier-pigeon", "--transport"),
        ("serve --transport http --port 65536", "--port"),
        ("serve --transport http --port http", "--port"),
        ("simulate --pace fast", "--pace"),
        ("simulate --pace -1", "--pace"),
        ("demo --seconds 7", "--seconds"),
        ("demo --pace inf", "--pace"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())

    assert f"argument {named}: " in capsys.readouterr().err


def test_a_port_without_a_transport_that_has_ports_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "8000"]) == 2
    assert capsys.readouterr().err == "useapi-runway-mcp: --host and --port go with --transport http or sse\n"


def test_the_transport_of_connections_is_refused_where_servers_share_a_database(tmp_path: Path) -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:9/ledger"
    ended = run("serve", "--transport", "sse", "--port", "0", data=tmp_path, RUNWAY_MCP_DATABASE_URL=url)

    told = "--transport sse needs one server for a connection; with RUNWAY_MCP_DATABASE_URL it is http"
    assert (ended.returncode, ended.stderr) == (2, f"useapi-runway-mcp: {told}\n")


@pytest.mark.parametrize("command", [(), ("serve",), ("serve", "--transport", "http", "--port", "0")])
def test_a_bad_setting_stops_the_start_with_one_line_and_no_secret(command: tuple[str, ...], tmp_path: Path) -> None:
    ended = run(*command, data=tmp_path, USEAPI_TOKEN=SECRET, RUNWAY_MCP_WAIT_SECONDS=SECRET)

    told = "useapi-runway-mcp: RUNWAY_MCP_WAIT_SECONDS must be a whole number of seconds from 1 to 600\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", told)


def test_a_data_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = run(data=tmp_path / "file" / "folder")

    assert ended.returncode == 2
    assert ended.stderr.startswith("useapi-runway-mcp: RUNWAY_MCP_DATA_DIR must be a folder that can be written to: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.slow
def test_beyond_this_machine_it_does_not_listen_unguarded(tmp_path: Path) -> None:
    ended = run("serve", "--transport", "http", "--host", "192.0.2.1", "--port", "0", data=tmp_path)

    told = "to listen on 192.0.2.1, beyond this machine, set RUNWAY_MCP_ACCESS_TOKEN and RUNWAY_MCP_ALLOWED_HOSTS"
    assert (ended.returncode, ended.stderr) == (2, f"useapi-runway-mcp: {told}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("transport", "paths"), [("http", ["/mcp"]), ("sse", ["/mcp", "/sse"])], ids=str)
def test_it_says_where_it_listens_answers_there_and_stops_in_order(
    transport: str, paths: list[str], tmp_path: Path
) -> None:
    with listening("--transport", transport, data=tmp_path) as (process, lines):
        url = lines[0].split()[-1].removesuffix("/mcp")
        listens = [f"useapi-runway-mcp listening on {url}{path}" for path in paths]
        assert lines == [*listens, f"useapi-runway-mcp keeps its ledger in {tmp_path}"]
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/healthz") == (200, {"status": "ok", "version": __version__})

        taken = run("serve", "--transport", "http", "--port", url.rpartition(":")[2], data=tmp_path)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)

    assert taken.returncode == 1
    assert taken.stderr.startswith("useapi-runway-mcp: cannot listen on 127.0.0.1, port ")
    assert (process.returncode, told) == (0, "")


@pytest.mark.slow
def test_the_access_token_of_the_environment_guards_the_door(tmp_path: Path) -> None:
    with listening("--transport", "http", data=tmp_path, RUNWAY_MCP_ACCESS_TOKEN=SECRET) as (process, lines):
        url = lines[0].split()[-1]

        assert get(url)[0] == 401
        assert get(url, authorization=f"Bearer {SECRET}")[0] == 405
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [(str(SCRIPT),), PROGRAM, (*PROGRAM, "serve"), (*PROGRAM, "serve", "--transport", "stdio")],
    ids=["script", "module", "serve", "serve on stdio"],
)
async def test_without_more_it_serves_on_stdio(command: tuple[str, ...], tmp_path: Path) -> None:
    parameters = StdioServerParameters(command=command[0], args=[*command[1:]], env=environment(tmp_path))

    with anyio.fail_after(60):
        async with Client(parameters, mode="legacy") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}

    assert {"extend_video", "get_task", "list_assets"} <= names


@pytest.mark.slow
def test_a_person_at_a_terminal_is_told_what_it_waits_for_and_can_end_it(tmp_path: Path) -> None:
    terminal, stdin = os.openpty()
    with subprocess.Popen(  # noqa: S603 - our own program
        PROGRAM, env=environment(tmp_path), stdin=stdin, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert "waits for an MCP host on stdin" in process.stderr.readline()
        assert process.stderr.readline() == f"useapi-runway-mcp keeps its ledger in {tmp_path}\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    os.close(terminal)
    os.close(stdin)

    assert (process.returncode, told) == (0, "")


@pytest.mark.slow
def test_on_stdio_it_names_the_folder_of_its_ledger_on_stderr_alone(tmp_path: Path) -> None:
    folder = tmp_path / "of its own"

    served = run("serve", data=folder)

    assert (served.returncode, served.stdout) == (0, "")
    assert served.stderr == f"useapi-runway-mcp keeps its ledger in {folder}\n"


@pytest.mark.slow
def test_the_simulator_tells_its_url_and_token_and_stops_in_order(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, "simulate", "--pace", "0"], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        where: dict[str, str] = json.loads(process.stdout.readline())

        status, _ = get(f"{where['url']}/features", authorization=f"Bearer {where['token']}")
        port = where["url"].split(":")[2].partition("/")[0]
        taken = run("simulate", "--port", port, data=tmp_path)
        process.send_signal(signal.SIGTERM)

        assert status == 200
        assert process.wait(timeout=30) == 0
        assert (taken.returncode, taken.stderr.count("\n")) == (1, 1)


def in_a_child(program: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python code that stands for the program in an unusual situation."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], env=environment(data), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("command", "missing", "told"),
    [
        ("demo", ("av", "PIL", "rich"), "av and pillow and rich"),
        ("demo", ("rich",), "rich"),
        ("simulate", ("av",), "av"),
        ("simulate", ("PIL",), "pillow"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    command: str, missing: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    absent = "".join(f"sys.modules[{name!r}] = None; " for name in missing)

    ended = in_a_child(f"import sys; {absent}from runway_mcp.cli import main; sys.exit(main([{command!r}]))", tmp_path)

    line = f"useapi-runway-mcp: this needs {told}: pip install 'useapi-runway-mcp[media]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)


STAND_IN = """
import signal, sys, types
def run_demo(*given, model):
    {does}
sys.modules["runway_mcp.demo"] = types.SimpleNamespace(run_demo=run_demo)
from runway_mcp.cli import main
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize(
    ("does", "code", "last_line"),
    [
        ("return 7", 7, ""),
        ("raise KeyboardInterrupt", 130, ""),
        ("signal.raise_signal(signal.SIGTERM)", 130, ""),
        ("raise ValueError('https://a.example/b?signed=1')", 1, "ValueError: https://a.example/b"),
    ],
)
def test_how_a_command_ends_is_how_the_program_ends(does: str, code: int, last_line: str, tmp_path: Path) -> None:
    ended = in_a_child(STAND_IN.format(does=does, arguments=["demo"]), tmp_path)

    assert (ended.returncode, ended.stdout) == (code, "")
    assert (ended.stderr.splitlines() or [""])[-1].strip() == last_line


def test_the_demo_is_given_what_was_asked_for(tmp_path: Path) -> None:
    arguments = ["demo", "--seconds", "8", "--out", "films", "--pace", "0.5", "--model", "gen4.5"]

    ended = in_a_child(STAND_IN.format(does="return print(*given, model) or 0", arguments=arguments), tmp_path)

    assert (ended.returncode, ended.stdout) == (0, "8 films 0.5 gen4.5\n")
