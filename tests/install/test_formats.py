import random
from collections.abc import Iterator
from typing import Any

import pytest

from runway_mcp.install.formats import jsonc, toml, yaml
from runway_mcp.install.formats.by_name import FORMATS
from runway_mcp.install.formats.edits import ConfigurationError, FormatName, applied, difference, inverse

ENTRY = {"command": "/x/uvx", "args": ["--from", "a[b]==1", "a"], "env": {"T": ""}, "on": True, "n": 120}
PATH = ("servers", "runway")


def documents(seed: int) -> Iterator[str]:
    """JSON documents with comments, blanks and commas wherever they may stand; some have the servers, some do not."""
    chance = random.Random(seed)  # noqa: S311  a test's draw
    for _ in range(40):
        pairs = [pair(chance, f"k{at}", 0) for at in range(chance.randrange(4))]
        if chance.random() < 0.7:
            held = many(chance, "{", [pair(chance, f"s{at}", 1) for at in range(chance.randrange(3))], "}")
            named = f'"servers"{gap(chance)}:{gap(chance)}{chance.choice([held, "null"])}'
            pairs.insert(chance.randrange(len(pairs) + 1), named)
        yield gap(chance) + many(chance, "{", pairs, "}") + gap(chance)


GAPS = ["", "", " ", "\t", "\n", "\r\n", " // c, }\n", "/* , { */", "\n  ", "\r\n\t\t"]
PLAIN = ['"a"', '"\\"}{,//"', '"\\u00e9é"', '""', "0", "-1.5e+3", "12", "true", "false", "null"]


def gap(chance: random.Random) -> str:
    return chance.choice(GAPS)


def pair(chance: random.Random, key: str, depth: int) -> str:
    return f'"{key}"{gap(chance)}:{gap(chance)}{value(chance, depth)}'


def value(chance: random.Random, depth: int) -> str:
    if depth == 3 or chance.random() < 0.4:
        return chance.choice(PLAIN)
    count = chance.randrange(4)
    if chance.random() < 0.5:
        return many(chance, "[", [value(chance, depth + 1) for _ in range(count)], "]")
    return many(chance, "{", [pair(chance, f"k{at}", depth + 1) for at in range(count)], "}")


def many(chance: random.Random, opening: str, pieces: list[str], closing: str) -> str:
    text = f"{gap(chance)},{gap(chance)}".join(pieces)
    last = chance.choice(["", f"{gap(chance)},"]) if pieces else ""
    return opening + gap(chance) + text + last + gap(chance) + closing


@pytest.mark.parametrize("seed", range(25))
def test_json_of_every_spelling_takes_an_entry_and_gives_it_back(seed: int) -> None:
    for text in documents(seed):
        before = jsonc.parse(text)
        edits = jsonc.put(text, PATH, ENTRY)
        after = applied(text, edits)

        assert jsonc.parse(after) == before | {"servers": (before.get("servers") or {}) | {"runway": ENTRY}}
        assert applied(after, inverse(text, edits)) == text
        if before.get("servers"):
            try:
                assert jsonc.parse(applied(after, jsonc.remove(after, PATH))) == before
            except ConfigurationError:
                # A comment to the line's end now has the bracket behind it; `entries` refuses such a change.
                assert "//" in text


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        ("a = 1", ("s", "r"), {"x": 1}, "a = 1\n\n[s.r]\nx = 1\n"),
        ("s = {}\n", ("s", "r"), {"x": 1}, "s = {r = {x = 1}}\n"),
        ("[s.r]\nx = 1 # one\n", ("s", "r", "x"), [2], "[s.r]\nx = [2] # one\n"),
        ("[s.r]\nx = 1\r\n", ("s", "r", "e", "t"), "y", '[s.r]\nx = 1\r\n\n[s.r.e]\nt = "y"\n'),
        ("", ("s", "a b"), {"e": {}}, '[s."a b"]\ne = {}\n'),
    ],
)
def test_toml_is_changed_in_its_own_style(text: str, path: tuple[str, ...], value: object, after: str) -> None:
    changed = applied(text, toml.put(text, path, value))

    found: Any = toml.parse(changed)
    for key in path:
        found = found[key]
    assert found == value
    if "\r" not in text:
        assert changed == after


@pytest.mark.parametrize("text", ["s = 1\n", 's = "x"\n', "[[s]]\na = 1\n"])
def test_toml_whose_servers_are_no_table_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="s is not a table"):
        toml.put(text, ("s", "r"), {"x": 1})


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        ("a: 1", ("s", "r"), {"x": 1}, "a: 1\ns:\n  r:\n    x: 1"),
        ("s:\na: 1\n", ("s", "r"), {"x": "1"}, "s:\n  r:\n    x: '1'\na: 1\n"),
        ("s: {} # c\n", ("s", "r"), {"x": 1}, "s: # c\n  r:\n    x: 1\n"),
        ("s:\n- a\n", ("s",), ["b"], 's:\n  ["b"]\n'),
        ("s:\n   r: {x: 1}\n\n\n# end\n", ("s", "q"), {"x": 2}, "s:\n   r: {x: 1}\n   q:\n     x: 2\n\n\n# end\n"),
        ("s:\n  r: |\n    text\n", ("s", "q"), {"x": 2}, "s:\n  r: |\n    text\n  q:\n    x: 2\n"),
        ("{s: {}}", ("s", "q"), {"x": 2}, '{s: {"q": {"x": 2}}}'),
        ("{s: , t: 1}", ("s", "q"), {"x": 2}, '{s: {"q": {"x": 2}} , t: 1}'),
    ],
)
def test_yaml_is_changed_in_its_own_style(text: str, path: tuple[str, ...], value: object, after: str) -> None:
    changed = applied(text, yaml.put(text, path, value))
    assert changed == after
    found: Any = yaml.parse(changed)
    for key in path:
        found = found[key]
    assert found == value


@pytest.mark.parametrize(("name", "text"), [("json", '{"a": {}}'), ("toml", "[a]\n"), ("yaml", "a: {}\n")])
@pytest.mark.parametrize("path", [("b",), ("a", "b"), ()])
def test_what_is_not_there_cannot_be_taken_out(name: FormatName, text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(LookupError):
        FORMATS[name].remove(text, path)


@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("abc", "abc"), ("abc", "axc"), ("aa", "aaa"), ("aaa", "aa"), ("", "x"), ("x", "")]
)
def test_a_difference_leads_from_one_text_to_the_other_and_back(before: str, after: str) -> None:
    edits = difference(before, after)

    assert applied(before, edits) == after
    assert applied(after, inverse(before, edits)) == before
    assert bool(edits) == (before != after)
