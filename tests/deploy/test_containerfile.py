"""The Containerfile by what it says, and what reads it; `scripts/container` follows it."""

import json
import re
from pathlib import Path

import pytest

from scripts.bare_debian import ROOT, TrialError, extras
from scripts.containerfile import build, statements

TEXT = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
STATEMENTS = [*statements(TEXT)]


def words(word: str) -> list[str]:
    return [each.rest for each in STATEMENTS if each.word == word]


def test_a_line_that_goes_on_is_one_statement_without_the_comments_between() -> None:
    (one, two) = statements("FROM a \\\n    AS b\n# c\nCOPY --from=b \\\n# d\n  x y\n")
    assert (one.word, one.rest) == ("FROM", "a AS b")
    assert (two.options, two.rest) == ({"from": "b"}, "x y")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RUN x", "stands before FROM"),
        ("FROM a\nADD x y", "not known here: ADD"),
        ("FROM a\nUSER root", "not known here: USER root"),
        ("FROM a\nHEALTHCHECK NONE", "not known here: HEALTHCHECK NONE"),
        ("FROM a\nCOPY --chown=1:1 x y", "not known here: COPY"),
        ("FROM a\nCOPY missing y", "COPY finds no missing"),
        ("# nothing", "there is no FROM"),
    ],
)
def test_what_cannot_be_followed_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=told):
        build(text, tmp_path, frozenset(), lambda _, __: tmp_path, {})


def test_files_and_folders_are_copied_as_a_builder_does(tmp_path: Path) -> None:
    context, root = tmp_path / "context", tmp_path / "root"
    for file in ("a", "d/b", "d/e/c", "d/untracked"):
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        (context / file).write_text(file, encoding="ascii")
    text = (
        "FROM x\nWORKDIR /work\nCOPY a ./\nCOPY d ./into\n"
        'ENV A=1 \\\n  B="2 3"\nEXPOSE 80\nUSER 1:2\nENTRYPOINT ["p"]\n'
    )

    image = build(text, context, frozenset({"a", "d/b", "d/e/c"}), lambda _, __: root, {})

    assert {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()} == {
        "work/a", "work/into/b", "work/into/e/c"
    }  # fmt: skip
    assert (image.env["A"], image.env["B"], image.port, image.user, image.entry) == ("1", "2 3", 80, "1:2", ("p",))


def test_there_are_two_stages_and_the_last_one_copies_from_the_first_alone() -> None:
    assert [rest.partition(" AS ")[2] for rest in words("FROM")] == ["build", ""]
    last = max(number for number, each in enumerate(STATEMENTS) if each.word == "FROM")
    assert [each.options for each in STATEMENTS[last:] if each.word == "COPY"] == [{"from": "build"}]


def test_it_runs_as_a_user_by_number_by_no_shell_and_ends_by_sigterm() -> None:
    assert words("USER") == ["10001:10001"]
    assert words("STOPSIGNAL") == ["SIGTERM"]
    (entry,) = map(json.loads, words("ENTRYPOINT"))
    assert entry[0].startswith("/")
    assert not {"sh", "bash"} & {Path(word).name for word in entry}
    (health,) = words("HEALTHCHECK")
    assert json.loads(health.removeprefix("CMD "))[0].endswith("/python")


def test_the_image_has_what_a_hosted_server_needs_and_versions_are_bound() -> None:
    (install,) = [rest for rest in words("RUN") if "pip install" in rest]
    assert (
        {"http", "media", "metrics", "postgres"} <= set(re.findall(r"\[(.*)\]", install)[0].split(",")) <= set(extras())
    )
    assert "--constraint constraints.txt" in install


def test_no_layer_keeps_a_cache() -> None:
    for rest in words("RUN"):
        assert ("apt-get" in rest) == ("rm -rf /var/lib/apt/lists/*" in rest)
        assert all("--no-cache-dir" in part for part in rest.split("&&") if re.search(r"pip (install|wheel)", part))


def test_a_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    ignored = (ROOT / "deploy" / "Containerfile.dockerignore").read_text(encoding="utf-8").split()
    sources = {
        name.removeprefix("./")
        for each in STATEMENTS
        if each.word == "COPY" and not each.options
        for name in each.rest.split()[:-1]
    }
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == sources
