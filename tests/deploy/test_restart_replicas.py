"""The script that restarts the replicas one after another, with a systemctl and a curl of the test's own."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "restart-replicas"
SITE = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")

SYSTEMCTL = r"""#!/bin/sh
echo "$*" >> commands
case "$1 $2" in
    "reload nginx")
        [ ! -e no-reload ] || exit 1
        cp site.conf loaded.conf ;;
    restart*)
        port=${2#useapi-runway-mcp@}
        echo "$port without$(sed -n 's/^ *server 127\.0\.0\.1:\([0-9]*\) .*down.*/ \1/p' loaded.conf)" >> restarts
        [ ! -e "no-restart-$port" ] || exit 1
        if [ -e "broken-$port" ]; then touch "unready-$port"; else rm -f "unready-$port"; fi ;;
esac
"""
"""nginx knows a change once it is reloaded; a replica that is `broken` does not become ready by a restart."""

CURL = r"""#!/bin/sh
for url; do :; done
port=${url#http://127.0.0.1:}
[ "$port" != "${port%/readyz}" ] || exit 7
[ -e "unready-${port%/readyz}" ] || exit 0
case "$*" in *--fail*) exit 22 ;; esac
echo '{"status":"starting","away":["ledger"]}'
"""
STARTING = 'its /readyz says: {"status":"starting","away":["ledger"]}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the script runs: the programs of its world, and the site of nginx, which has loaded it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"systemctl": SYSTEMCTL, "curl": CURL}.items():
        (programs / name).write_text(text, encoding="ascii")
        (programs / name).chmod(0o755)
    of_nginx(tmp_path, SITE)
    return tmp_path


def of_nginx(folder: Path, text: str) -> None:
    """Writes the site, and has it loaded."""
    for name in ("site.conf", "loaded.conf"):
        (folder / name).write_text(text, encoding="utf-8")


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  the script itself
        ["/bin/sh", str(SCRIPT), "site.conf"],
        cwd=folder,
        env={"PATH": f"{folder / 'programs'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def told(folder: Path, name: str) -> list[str]:
    """The lines that were written there, none if nothing was."""
    file = folder / name
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def site(folder: Path) -> str:
    """The site, which is what nginx has loaded."""
    text = (folder / "site.conf").read_text(encoding="utf-8")
    assert text == (folder / "loaded.conf").read_text(encoding="utf-8")
    return text


def marked(text: str, *ports: int, words: str = "down ") -> str:
    """The site with these replicas marked as down."""
    for port in ports:
        text = text.replace(f"127.0.0.1:{port} ", f"127.0.0.1:{port} {words}")
    return text


def test_each_replica_is_restarted_while_nginx_knows_it_alone_as_down(folder: Path) -> None:
    ran = run(folder)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert told(folder, "restarts") == ["8001 without 8001", "8002 without 8002"]
    assert site(folder) == SITE


@pytest.mark.parametrize("fault", ["broken", "no-restart"])
@pytest.mark.parametrize(("port", "before"), [(8001, []), (8002, ["8001 without 8001"])])
def test_a_run_after_a_failed_one_begins_with_what_that_left_out_and_leaves_none_marked(
    folder: Path, port: int, before: list[str], fault: str
) -> None:
    other = 8001 + 8002 - port
    (folder / f"{fault}-{port}").touch()
    failed = run(folder)

    assert failed.returncode != 0
    assert f"failed at the replica {port}" in failed.stderr
    assert "run restart-replicas again" in failed.stderr
    if fault == "broken":
        assert STARTING.removeprefix("its ") in failed.stderr
    assert told(folder, "restarts") == [*before, f"{port} without {port}"]
    assert site(folder) == marked(SITE, port)

    assert run(folder).returncode != 0
    assert told(folder, "restarts") == [*before, *[f"{port} without {port}"] * 2]
    assert site(folder) == marked(SITE, port)

    (folder / f"{fault}-{port}").unlink()
    (folder / "restarts").unlink()
    ran = run(folder)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert told(folder, "restarts") == [f"{port} without {port}", f"{other} without {other}"]
    assert site(folder) == SITE


def test_a_mark_that_stands_there_twice_is_taken_away_whole(folder: Path) -> None:
    of_nginx(folder, marked(SITE, 8001, words="down down "))

    assert run(folder).returncode == 0
    assert site(folder) == SITE


def test_no_replica_is_restarted_that_nginx_has_not_turned_away_from(folder: Path) -> None:
    (folder / "no-reload").touch()
    failed = run(folder)

    assert failed.returncode != 0
    assert "failed at the replica 8001" in failed.stderr
    assert told(folder, "restarts") == []

    (folder / "no-reload").unlink()
    assert run(folder).returncode == 0
    assert site(folder) == SITE


@pytest.mark.parametrize("unready", [(8002,), (8001, 8002)])
def test_nothing_is_touched_while_the_other_replica_is_not_ready(folder: Path, unready: tuple[int, ...]) -> None:
    for port in unready:
        (folder / f"unready-{port}").touch()
    refused = run(folder)

    assert refused.returncode == 1
    assert f"8001 is not touched, since 8002 is not ready, {STARTING}; see journalctl" in refused.stderr
    assert told(folder, "commands") == []
    assert site(folder) == SITE


@pytest.mark.parametrize(
    "down",
    [
        marked(SITE, 8001, 8002),
        marked(SITE, 8001, 8002, words="down down "),
        re.sub(r"(server 127\.0\.0\.1:800\d .*);", r"\1 down;", SITE),
    ],
)
def test_nothing_is_touched_while_the_other_replica_is_marked_as_down(folder: Path, down: str) -> None:
    of_nginx(folder, down)
    refused = run(folder)

    assert refused.returncode == 1
    assert "8001 is not touched, since 8002 is marked `down`" in refused.stderr
    assert told(folder, "commands") == []
    assert site(folder) == down


def test_a_site_without_replicas_is_refused(folder: Path) -> None:
    of_nginx(folder, "server {}\n")
    refused = run(folder)

    assert (refused.returncode, refused.stderr) == (1, "restart-replicas: there is no replica in site.conf\n")
