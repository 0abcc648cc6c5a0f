"""A hosted server as its callers reach it: a toy with a file of callers and, if there is one, an issuer."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from runway_mcp.callers import CallersFile, hash_of
from runway_mcp.server.hosted.hosting import hosting_of
from runway_mcp.server.transport.http import create_app
from runway_mcp.settings import Settings
from tests.server.issuer import AUDIENCE, ISSUER, Issuer
from tests.server.toy import toy

HOST = "runway.example.com"
METADATA = f"https://{HOST}/.well-known/oauth-protected-resource/mcp"
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


def by(token: str) -> dict[str, str]:
    return OLD | {"authorization": f"Bearer {token}"}


def of_file(folder: Path) -> CallersFile:
    """A file of one caller, whose token is `ana-token`."""
    path = folder / "callers.toml"
    entry = f'[[callers]]\nname = "ana"\ntoken_sha256 = "{hash_of("ana-token")}"\n'
    path.write_text(entry, encoding="utf-8")
    return CallersFile(path, hide=lambda _: None)


@contextmanager
def doors(folder: Path, issuer: Issuer | None, **fields: Any) -> Generator[TestClient]:
    """A client of a toy with a file of callers and, if there is one, an issuer."""
    told = {} if issuer is None else {"issuer": ISSUER, "audience": AUDIENCE}
    settings = Settings.model_validate({"data_dir": folder, **told, **fields})
    hosting = hosting_of(settings, of_file(folder), transport=issuer)
    app = create_app(toy(), hosting=hosting, allowed_hosts=(HOST,))
    with TestClient(app, base_url=f"https://{HOST}", follow_redirects=False) as http:
        yield http


# --- challenges
