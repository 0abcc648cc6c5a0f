"""Follows `deploy/Containerfile` in a bare Debian, and drives the program of the image that comes out.

    scripts/container [--work DIR]

No base image is pulled: each FROM is a bare Debian of the same release, made by debootstrap. The program then runs as
the image says, as its user, in a root that can be read alone, in a network of its own, with the stand-in.
`--work DIR` keeps the Debian and the wheels for the next run. Ends with 0 if everything held.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from scripts.bare_debian import (
    PIP,
    ROOT,
    TrialError,
    bare_debian,
    copy_of,
    own_environment,
    ran,
    refuse_without,
    tell,
    wheels,
)
from scripts.containerfile import Image, build

FILE: Final = ROOT / "deploy" / "Containerfile"
BASE: Final = "docker.io/library/debian:bookworm-slim"
TOKEN: Final = "a-token-of-the-trial"  # noqa: S105  opens nothing
TOOLS: Final = {"extend_video", "get_task", "list_assets", "view_film"}
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 30.0


def made(work: Path, target: Path) -> Image:
    """The image, its stages below `target`; raises `TrialError`."""
    debian, house = bare_debian(work), wheels(work)

    def new_root(base: str, name: str) -> Path:
        if base != BASE:
            raise TrialError(f"FROM {base}: what is tried here is {BASE}")
        root = copy_of(debian, target / name)
        # As a builder is told of an index; the last stage must not need one.
        if name != "last":
            shutil.copytree(house, root / "wheels")
        return root

    files = frozenset(ran(["git", "ls-files"], cwd=ROOT).splitlines())
    began = time.monotonic()
    image = build(FILE.read_text(encoding="utf-8"), ROOT, files, new_root, PIP | {"DEBIAN_FRONTEND": "noninteractive"})
    tell(f"the statements took {time.monotonic() - began:.0f} s")
    return image


@contextmanager
def mounted(image: Image) -> Generator[Path]:
    """The image's root as containers have it that may write to their volumes alone; in a mount namespace of its own."""
    root = image.root
    ran(["mount", "--bind", root, root])
    ran(["mount", "-o", "remount,bind,ro", root])
    for volume in image.volumes:
        place = root / volume.lstrip("/")
        owner = place.stat()
        ran(["mount", "-t", "tmpfs", "-o", f"uid={owner.st_uid},gid={owner.st_gid},mode=0700", "tmpfs", place])
    ran(["mount", "-t", "proc", "proc", root / "proc"])
    yield root


def inside(image: Image, command: Sequence[str], **env: str) -> list[str]:
    """The command line that runs a command in the image, as its user, without further groups and capabilities."""
    user, group = image.user.split(":")
    apart = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
    as_user = ["setpriv", *apart, f"--reuid={user}", f"--regid={group}"]
    variables = [f"{name}={value}" for name, value in (image.env | env).items()]
    return [
        "chroot",
        str(image.root),
        *as_user,
        "env",
        "--ignore-environment",
        f"--chdir={image.folder}",
        *variables,
        *command,
    ]


def asked(port: int, path: str, message: object = None, token: str = "") -> tuple[int, Any]:
    """The status and JSON of an answer: to a message, or to a GET."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    connection.request(
        "GET" if message is None else "POST", path, None if message is None else json.dumps(message), headers
    )
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, json.loads(body) if body.startswith("{") else body


def hold(what: str, *, really: bool, but: object = "") -> None:
    """Says that something holds; raises `TrialError` if it does not."""
    if not really:
        raise TrialError(f"does not hold: {what} {but}")
    tell(f"holds: {what}")


def drive(image: Image) -> None:
    """Starts the image's program, asks it as a client and as its health check would, and ends it."""
    hold(
        "the image has a port, a health check and a user that is not root",
        really=bool(image.port and image.health) and image.user == "10001:10001",
    )
    port = image.port or 0
    stand_in = [sys.executable, "-m", "runway_mcp", "simulate", "--pace", "1"]
    with (
        mounted(image),
        subprocess.Popen(stand_in, stdout=subprocess.PIPE, text=True, env=own_environment()) as upstream,  # noqa: S603  ours
    ):
        try:
            assert upstream.stdout  # noqa: S101  piped
            told = json.loads(upstream.stdout.readline())
            ours = {
                "USEAPI_URL": told["url"],
                "USEAPI_TOKEN": told["token"],
                "RUNWAY_MCP_ACCESS_TOKEN": TOKEN,
                "RUNWAY_MCP_ALLOWED_HOSTS": "mcp.example.com",
            }
            with subprocess.Popen(inside(image, image.entry, **ours)) as server:  # noqa: S603  what was just made
                try:
                    _drive_server(image, server, port)
                finally:
                    server.kill()
        finally:
            upstream.kill()


def _drive_server(image: Image, server: subprocess.Popen[bytes], port: int) -> None:
    began = time.monotonic()
    while subprocess.run(inside(image, image.health), check=False, capture_output=True, timeout=30).returncode:  # noqa: S603
        if server.poll() is not None or time.monotonic() - began > _START_SECONDS:
            raise TrialError("the health check finds no server")
    tell(f"holds: the health check finds the server, after {time.monotonic() - began:.1f} s")
    hold(
        "/healthz and /readyz answer 200",
        really=asked(port, "/healthz")[0] == asked(port, "/readyz")[0] == HTTPStatus.OK,
    )
    listed = asked(port, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, TOKEN)
    names = {tool["name"] for tool in listed[1]["result"]["tools"]} if listed[0] == HTTPStatus.OK else set[str]()
    hold("the tools are listed to who has the token", really=names >= TOOLS, but=listed)
    call = {"name": "list_assets", "arguments": {"limit": 1}}
    assets = asked(port, "/mcp", {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}, TOKEN)
    hold(
        "a call reads the clips of the stand-in",
        really=assets[0] == HTTPStatus.OK and "assetId" in json.dumps(assets[1]),
        but=assets,
    )
    hold(
        "others get 401",
        really=asked(port, "/mcp", {"jsonrpc": "2.0", "id": 3, "method": "tools/list"})[0] == HTTPStatus.UNAUTHORIZED,
    )
    written = subprocess.run(inside(image, ["touch", "/usr/x"]), check=False, capture_output=True, timeout=30)  # noqa: S603
    hold("the root cannot be written to", really=b"Read-only" in written.stderr, but=written.stderr)
    began = time.monotonic()
    server.send_signal(signal.Signals[image.stop_signal])
    try:
        code = server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        raise TrialError(f"{image.stop_signal} did not end it within {_END_SECONDS:.0f} s") from None
    hold(f"{image.stop_signal} ended it after {time.monotonic() - began:.1f} s with 0", really=code == 0, but=code)
    failing = subprocess.run(inside(image, image.health), check=False, capture_output=True, timeout=30)  # noqa: S603
    hold("the health check fails without a server", really=failing.returncode != 0)


def driven_apart(image: Image) -> None:
    """Drives the image in namespaces of its own for mounts, network and processes, so that nothing is left behind."""
    apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command = [*apart, sys.executable, "-m", "scripts.container_image", "--driving"]
    told = json.dumps(asdict(image), default=str)
    ended = subprocess.run(command, input=told, text=True, cwd=ROOT, env=own_environment(), timeout=300, check=False)  # noqa: S603
    if ended.returncode:
        raise TrialError("the image does not do what it should")


def main(arguments: Sequence[str] | None = None) -> int:
    """Follows the file and drives its program; returns 0 if everything held."""
    parser = argparse.ArgumentParser(
        prog="scripts/container", description="Follows the Containerfile, drives the image."
    )
    parser.add_argument("--work", type=Path, help="keep the Debian and the wheels here")
    parser.add_argument("--driving", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        refuse_without(["debootstrap", "chroot", "unshare", "ip", "uv"])
        if given.driving:
            ran(["ip", "link", "set", "lo", "up"])
            told: dict[str, Any] = json.load(sys.stdin)
            drive(Image(Path(told.pop("root")), **told))
            return 0
        with tempfile.TemporaryDirectory() as folder:
            work = (given.work or Path(folder)).absolute()
            work.mkdir(exist_ok=True)
            driven_apart(made(work, Path(folder)))
    except TrialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
