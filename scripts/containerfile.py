"""The statements of a Containerfile: read, and carried out on a folder that is a root, or refused if not known."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.bare_debian import TrialError, ran, tell

_OPTION: Final = re.compile(r"--([a-z-]+)=(\S+)\s+")
_OPTIONS: Final = {"COPY": {"from"}, "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"}}
_SHELL: Final = ("/bin/sh", "-c")


@dataclass(frozen=True)
class Statement:
    """A statement: its word, its options (`--from=build`), and the rest of it."""

    word: str
    options: Mapping[str, str]
    rest: str


@dataclass
class Image:
    """What the statements have made: a root, and how it is to be started."""

    root: Path
    folder: str = "/"
    env: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    user: str = "0:0"
    port: int | None = None
    entry: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()


def statements(text: str) -> Iterator[Statement]:
    """The statements of a Containerfile, lines that go on put together."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        word, _, rest = line.strip().partition(" ")
        options: dict[str, str] = {}
        while found := _OPTION.match(rest := rest.lstrip()):
            options[found[1]] = found[2]
            rest = rest[found.end() :]
        if word:
            yield Statement(word, options, rest)


def build(
    text: str, context: Path, files: frozenset[str], new_root: Callable[[str, str], Path], lent: Mapping[str, str]
) -> Image:
    """The image of the last stage. Raises `TrialError` for a statement that fails or is not known.

    `context` has the `files` that may be copied. `new_root` makes the root of a stage, by the image that it begins with
    and its name. `lent` is added to the environment of each RUN and stays in no image.
    """
    stages: dict[str, Image] = {}
    image: Image | None = None
    for statement in statements(text):
        tell(f"{statement.word} {statement.rest[:100]}")
        if statement.word == "FROM" and not statement.options:
            base, _, name = statement.rest.partition(" AS ")
            image = stages[name or str(len(stages))] = Image(new_root(base, name or "last"))
        elif set(statement.options) - _OPTIONS.get(statement.word, set()):
            raise TrialError(f"a statement that is not known here: {statement.word} {dict(statement.options)}")
        elif image is None:
            raise TrialError(f"{statement.word} stands before FROM")
        elif statement.word == "COPY":
            source = stages[statement.options["from"]] if "from" in statement.options else None
            _copy(image, statement, source, context, files)
        elif statement.word == "RUN":
            ran(
                ["chroot", image.root, *_SHELL, f"cd {shlex.quote(image.folder)} && {statement.rest}"],
                env={**image.env, **lent},
            )
        else:
            _describe(image, statement)
    if image is None:
        raise TrialError("there is no FROM")
    return image


def _describe(image: Image, statement: Statement) -> None:
    """Carries out what tells how the image is started."""
    match statement:
        case Statement("WORKDIR", {}, rest):
            image.folder = os.path.join(image.folder, rest)  # noqa: PTH118  a path of the image
            _inside(image, image.folder).mkdir(parents=True, exist_ok=True)
        case Statement("ENV", {}, rest):
            image.env |= dict(each.split("=", 1) for each in shlex.split(rest))
        case Statement("USER", {}, rest) if re.fullmatch(r"\d+:\d+", rest):
            image.user = rest
        case Statement("EXPOSE", {}, rest):
            image.port = int(rest)
        case Statement("STOPSIGNAL", {}, rest):
            image.stop_signal = rest
        case Statement("VOLUME", {}, rest):
            image.volumes = tuple(json.loads(rest))
        case Statement("ENTRYPOINT", {}, rest):
            image.entry = tuple(json.loads(rest))
        case Statement("HEALTHCHECK", _, rest) if rest.startswith("CMD ["):
            image.health = tuple(json.loads(rest.removeprefix("CMD ")))
        case _:
            raise TrialError(f"a statement that is not known here: {statement.word} {statement.rest}")


def _inside(image: Image, path: str) -> Path:
    return image.root / os.path.join(image.folder, path).lstrip("/")  # noqa: PTH118  a path of the image


def _copy(image: Image, statement: Statement, source: Image | None, context: Path, files: frozenset[str]) -> None:
    """COPY: of files of the context, or of paths of another stage. A folder's content goes into the target."""
    *names, into = shlex.split(statement.rest)
    target = _inside(image, into)
    for name in names:
        if source is not None:
            ran(["cp", "--archive", "--no-target-directory", _inside(source, name), target])
            continue
        wanted = name.removeprefix("./")
        found = [file for file in files if file == wanted or file.startswith(f"{wanted}/")]
        if not found:
            raise TrialError(f"COPY finds no {name}")
        for file in found:
            beneath = file.removeprefix(wanted).lstrip("/") or Path(file).name
            place = target / beneath if into.endswith("/") or file != wanted else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(context / file, place)
