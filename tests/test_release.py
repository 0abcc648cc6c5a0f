import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runway_mcp import __version__
from scripts.releasing import IN_DIST_INFO, IN_SDIST, ROOT, Built, hashed_requirements, pythons, strays

STEM = f"useapi_runway_mcp-{__version__}"
PACKAGE = {"runway_mcp/__init__.py", "runway_mcp/py.typed"}


def built(folder: Path, *, wheel: set[str], sdist: set[str]) -> Built:
    """A wheel and an sdist with these files."""
    made = Built(folder / "a.whl", folder / "a.tar.gz")
    with zipfile.ZipFile(made.wheel, "w") as archive:
        for name in wheel:
            archive.writestr(name, "")
    with tarfile.open(made.sdist, "w:gz") as archive:
        for name in sdist:
            archive.addfile(tarfile.TarInfo(name))
    return made


WHEEL = PACKAGE | {f"{STEM}.dist-info/{name}" for name in IN_DIST_INFO}
SDIST = {f"{STEM}/{name}" for name in (*PACKAGE, *IN_SDIST)}


@pytest.mark.parametrize(
    ("wheel", "sdist", "told"),
    [
        (WHEEL, SDIST, []),
        (WHEEL | {"tests/x.py"}, SDIST, ["the wheel has tests/x.py"]),
        (WHEEL - {"runway_mcp/py.typed"}, SDIST, ["the wheel lacks runway_mcp/py.typed"]),
        (WHEEL, SDIST | {f"{STEM}/uv.lock"}, [f"the sdist has {STEM}/uv.lock"]),
        (WHEEL, SDIST - {f"{STEM}/LICENSE"}, [f"the sdist lacks {STEM}/LICENSE"]),
    ],
)
def test_what_is_built_holds_the_files_of_the_package_and_no_others(
    wheel: set[str], sdist: set[str], told: list[str], tmp_path: Path
) -> None:
    assert strays(built(tmp_path, wheel=wheel, sdist=sdist), PACKAGE) == told


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (ROOT / "runway_mcp" / "py.typed").is_file()


def test_of_each_minor_version_from_3_11_on_the_newest_is_taken() -> None:
    listed = [
        {"version": version, "path": f"/{version}", "implementation": kind}
        for version, kind in [
            ("3.10.13", "cpython"), ("3.12.1", "cpython"), ("3.11.2", "cpython"), ("3.11.7", "cpython"),
            ("3.13.0", "pypy"), ("3.15.0a2", "cpython"),
        ]
    ]  # fmt: skip

    assert pythons(listed) == {"3.11": "/3.11.7", "3.12": "/3.12.1"}


def test_the_version_stands_in_one_place() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["tool"]["hatch"]["version"]["path"] == "runway_mcp/__init__.py"
    assert "version" not in project["project"]


@pytest.mark.slow
def test_every_requirement_of_a_release_has_its_hashes_and_none_an_address(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"a wheel")

    told = hashed_requirements(tmp_path / "a.whl")

    assert "://" not in told
    entries = [entry for entry in told.replace("\\\n", "").splitlines() if entry]
    assert len(entries) > 30
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert f"useapi-runway-mcp=={__version__} " in entries[-1]
