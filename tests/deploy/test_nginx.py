"""The proxy's configuration, judged by nginx itself: Debian's package `nginx-light`, which CI installs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

from runway_mcp.server.hosted.hosting import ALL_WELL_KNOWN, OF_TOKENS
from runway_mcp.server.transport.http import MAX_BODY
from runway_mcp.tasks.callbacks import PATH

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
TLS = "/etc/nginx/tls/mcp.example.com"
DIRECTIVES = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]) is None
    and os.environ.get("NGINX_TESTS") != "required",
    reason="there is no nginx",
)


def judged(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What `nginx -t` says of the site, with a certificate and places of the test's own."""
    authority = trustme.CA()
    issued = authority.issue_cert("mcp.example.com")
    issued.private_key_pem.write_to_path(folder / "site.key")
    issued.cert_chain_pems[0].write_to_path(folder / "site.crt")
    (folder / "site.conf").write_text(text.replace(TLS, str(folder / "site")), encoding="utf-8")
    whole = (
        f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; include {folder}/site.conf; }}\n"
    )
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    command = ["nginx", "-t", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    path = "/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]
    return subprocess.run(  # noqa: S603  nginx
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": path}
    )


@needs_nginx
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    told = judged(tmp_path, TEXT)
    assert told.returncode == 0, told.stderr
    assert "[warn]" not in told.stderr


@needs_nginx
def test_nginx_refuses_a_directive_that_it_does_not_know(tmp_path: Path) -> None:
    assert "unknown directive" in judged(tmp_path, TEXT.replace("proxy_buffering", "proxy_bufering")).stderr


def test_what_is_passed_on_is_what_others_than_this_machine_need() -> None:
    passed = re.findall(r"location (?:= |\^~ )(\S+) \{", DIRECTIVES)
    assert set(passed) == {"/mcp", f"{OF_TOKENS}/mcp", ALL_WELL_KNOWN, PATH}
    assert re.search(r"location / \{\s*return 404;", DIRECTIVES)


def test_no_post_is_sent_to_a_second_replica_that_may_have_reached_a_first() -> None:
    assert re.findall(r"proxy_next_upstream (.*);", DIRECTIVES) == ["error timeout"]
    # A kept connection could be closed by the replica while a POST is under way.
    assert not re.search(r"^\s*keepalive ", DIRECTIVES, re.MULTILINE)


def test_an_answer_is_passed_on_as_it_comes_and_may_be_silent_for_as_long_as_a_call() -> None:
    assert "proxy_buffering off;" in DIRECTIVES
    assert "proxy_http_version 1.1;" in DIRECTIVES
    assert [int(each) for each in re.findall(r"proxy_read_timeout (\d+)s;", DIRECTIVES)] == [75]


def test_the_largest_body_is_that_of_the_server() -> None:
    assert MAX_BODY == 1_048_576
    assert "client_max_body_size 1m;" in DIRECTIVES
