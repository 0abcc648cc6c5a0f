"""nginx as a balancer before servers of this machine: one port, round robin, its own folder, no daemon."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_connection

_SECONDS = 20.0
_SBIN = "/usr/sbin"
_CONFIGURATION = """
daemon off;
pid {folder}/pid;
worker_processes 1;
error_log {folder}/errors;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream servers {{
{servers}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host 127.0.0.1;
      proxy_buffering off;
      proxy_read_timeout 75s;
    }}
  }}
}}
"""


def nginx() -> str | None:
    """The program; None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{_SBIN}")


@contextmanager
def running_nginx(port: int, servers: Sequence[int]) -> Generator[str]:
    """Nginx at a port, before servers at these ports, each asked in turn; yields its origin.

    It retries elsewhere only what no server has been sent yet, which is what nginx does by itself.
    """
    program = nginx()
    assert program, "there is no nginx"
    folder = Path(tempfile.mkdtemp(prefix="nginx"))
    user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)
    try:
        listed = "\n".join(f"    server 127.0.0.1:{server};" for server in servers)
        file = folder / "nginx.conf"
        file.write_text(_CONFIGURATION.format(folder=folder, servers=listed, port=port), encoding="utf-8")
        if user:
            shutil.chown(folder, user)
        command = [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "errors")]
        with subprocess.Popen(command, user=user, group=group, stderr=subprocess.DEVNULL) as process:  # noqa: S603  the system's own program
            try:
                _wait_until_it_listens(process, port, folder / "errors")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    for _ in range(int(_SECONDS / 0.02)):
        with suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
            return
        # No event tells from outside when it listens; its end does.
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            break
    raise RuntimeError(f"nginx did not start: {errors.read_text(errors='replace') if errors.exists() else ''}")
