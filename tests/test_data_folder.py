import os
from pathlib import Path
from stat import S_IMODE

import pytest

from runway_mcp.data_folder import close_to_others
from runway_mcp.films import records
from runway_mcp.films.continuing import workspace
from runway_mcp.films.continuing.preparing import uploads
from tests.kit.processes import environment, serve_command, served_one_call

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders have no modes on Windows")


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def opened(path: Path, bits: int = 0o755) -> Path:
    """A folder, or a file if its name has a suffix, with these modes whatever the umask."""
    path.write_text("") if path.suffix else path.mkdir()
    path.chmod(bits)
    return path


def test_an_own_data_folder_is_closed_with_all_that_this_program_wrote(tmp_path: Path) -> None:
    folder = opened(tmp_path / "data", 0o777)
    own = ("ledger.sqlite3", "frames", "kept", uploads.FOLDER, workspace.FOLDER, records.FOLDER)
    written = [opened(folder / name) for name in dict.fromkeys(own)]

    assert close_to_others(folder) is None
    assert [mode(each) for each in (folder, *written)] == [0o700] * (1 + len(written))


def test_a_folder_with_other_things_in_it_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    folder = opened(tmp_path / "shared", 0o755)
    ledger, another = opened(folder / "ledger.sqlite3", 0o644), opened(folder / "notes.txt", 0o644)

    told = close_to_others(folder)

    assert told is not None
    assert f"{folder} (mode 755)" in told
    assert [mode(each) for each in (folder, ledger, another)] == [0o755, 0o600, 0o644]


def test_a_link_in_the_folder_closes_nothing_elsewhere(tmp_path: Path) -> None:
    folder, elsewhere = opened(tmp_path / "data"), opened(tmp_path / "elsewhere.txt", 0o644)
    (folder / "ledger.sqlite3").symlink_to(elsewhere)
    (folder / "kept").symlink_to(tmp_path / "nothing")

    assert close_to_others(folder) is None
    assert mode(elsewhere) == 0o644
    assert not (tmp_path / "nothing").exists()


@pytest.mark.slow
@pytest.mark.parametrize("umask", ["0", "277"])
def test_the_program_writes_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    data = tmp_path / "deep" / "data"
    command = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *serve_command("stdio")]
    if umask == "0":
        opened(tmp_path / "deep")
    else:
        data = tmp_path / "data"
    env = environment(RUNWAY_MCP_DATA_DIR=str(data), USEAPI_TOKEN="user:1234-simulated", RUNWAY_MCP_SAVE="never")

    served_one_call(command, env)

    assert mode(data) == 0o700
    assert {mode(each) for each in data.iterdir()} == {0o600}
    assert (data / "ledger.sqlite3").exists()
