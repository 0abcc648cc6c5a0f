import logging
import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from runway_mcp.callers import CallersError, CallersFile, hash_of, minted, read_callers

ANA = f'name = "ana"\ntoken_sha256 = "{hash_of("ana-token")}"'


def written(folder: Path, *entries: str, before: str = "") -> Path:
    """A file of callers with these entries."""
    file = folder / "callers.toml"
    file.write_text(before + "".join(f"\n[[callers]]\n{entry}\n" for entry in entries), encoding="utf-8")
    # A second version in the same tick of the clock and of the same size would look like the first.
    os.utime(file, ns=(0, file.stat().st_mtime_ns + len(list(folder.iterdir()))))
    return file


def ignore(_: str) -> None:
    return


# --- what an entry says


def test_a_new_caller_is_an_entry_that_knows_his_token_and_does_not_hold_it(tmp_path: Path) -> None:
    token, entry = minted("ana")
    file = tmp_path / "callers.toml"
    file.write_text(entry, encoding="utf-8")
    callers = read_callers(file)

    assert len(token.removeprefix("rmcp_")) >= 43, "32 bytes in base64"
    assert minted("ana")[0] != token
    assert token not in entry
    found = callers.by_token(token)
    assert found is not None
    assert (found.name, found.scopes) == ("ana", {"read", "spend"})
    assert callers.by_token(f"{token} ") is None
    assert callers.by_token("") is None


@pytest.mark.parametrize("name", ["", "Ana", "a b", '"', "a\n", "-a", "a" * 65, "ä", "../a"])
def test_a_name_that_is_not_plain_makes_no_caller(name: str) -> None:
    with pytest.raises(CallersError):
        minted(name)


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("", "scopes", {"read"}),
        ('scopes = "spend"', "scopes", {"read", "spend"}),
        ('scopes = ["read"]', "scopes", {"read"}),
        ("scopes = []", "scopes", set[str]()),
        ('subjects = "google|1"', "subjects", ("google|1",)),
        ("", "settings", {}),
        ("max_credits_per_call = 50", "settings", {"max_credits_per_call": 50}),
        ("max_credits_per_day = 0", "settings", {"max_credits_per_day": 0}),
        ('confirm = "never"', "settings", {"confirm_above": None}),
        ('confirm = "always"', "settings", {"confirm_above": 0.0}),
        ("confirm = 60", "settings", {"confirm_above": 60.0}),
        ('email = "a@example.com"', "settings", {"email": "a@example.com"}),
    ],
)
def test_an_entry_says_what_a_caller_may(tmp_path: Path, line: str, field: str, expected: object) -> None:
    (caller,) = read_callers(written(tmp_path, f"{ANA}\n{line}")).by_name.values()

    assert getattr(caller, field) == expected


def test_a_useapi_token_is_read_from_a_file_beside_the_file_of_callers(tmp_path: Path) -> None:
    (tmp_path / "ana-useapi").write_text("user:7-secret\n", encoding="utf-8")
    (caller,) = read_callers(written(tmp_path, f'{ANA}\nuseapi_token_file = "ana-useapi"')).by_name.values()

    assert caller.useapi_token == SecretStr("user:7-secret")
    assert caller.settings == {"email": None, "token": SecretStr("user:7-secret"), "token_unfilled": False}


@pytest.mark.parametrize(
    ("before", "entries", "only_named"),
    [
        ("", [ANA], False),
        ("", [ANA, 'name = "bob"\nsubjects = "1"'], True),
        ("only_named = true\n", [ANA], True),
        ("only_named = false\n", [ANA, 'name = "bob"\nsubjects = "1"'], False),
    ],
)
def test_where_any_subject_is_named_the_others_stay_out_unless_the_file_lets_them_in(
    tmp_path: Path, before: str, entries: list[str], *, only_named: bool
) -> None:
    assert read_callers(written(tmp_path, *entries, before=before)).only_named is only_named


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_a_fault_since_it_would_lock_everybody_out(tmp_path: Path, content: str) -> None:
    path = tmp_path / "callers.toml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(CallersError, match="it is empty"):
        read_callers(path)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (['name = "ana"'], "neither token_sha256 nor subjects"),
        ([ANA, ANA], "the same name: ana and ana"),
        ([ANA, ANA.replace('"ana"', '"bob"')], "the same token_sha256: ana and bob"),
        ([f'{ANA}\nsubjects = "1"', 'name = "bob"\nsubjects = "1"'], "the same subjects: ana and bob"),
        ([ANA.replace('"ana"', '"Ana"')], "name of its entry 1"),
        ([ANA, 'name = "bob"\ntoken_sha256 = "hunter2"'], "token_sha256 of its entry 2"),
        ([f'{ANA}\nscopes = "all"'], "scopes of its entry 1"),
        ([f"{ANA}\nmax_credits_per_day = -1"], "max_credits_per_day of its entry 1"),
        ([f'{ANA}\nmax_credits_per_day = "hunter2"'], "max_credits_per_day of its entry 1"),
        ([f'{ANA}\nconfirm = "hunter2"'], "confirm of its entry 1"),
        ([f'{ANA}\npassword = "hunter2"'], "password of its entry 1"),
        ([f'{ANA}\nuseapi_token_file = "none"'], "none cannot be read: No such file"),
        (["name = hunter2"], "it is no TOML, at line 3"),
        (['name = "hunter2'], "it is no TOML, at line 3"),
        (["name = ["], "it is no TOML, at end of document"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_one_line_that_shows_no_value(
    tmp_path: Path, entries: list[str], told: str
) -> None:
    with pytest.raises(CallersError) as refused:
        read_callers(written(tmp_path, *entries))

    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_caller_has_at_most_two_tokens_so_that_one_can_replace_the_other(tmp_path: Path) -> None:
    hashes = [hash_of(each) for each in ("old", "new", "newer")]

    callers = read_callers(written(tmp_path, f'name = "ana"\ntoken_sha256 = {hashes[:2]}'))
    assert callers.by_token("old") is callers.by_token("new") is callers.by_name["ana"]
    with pytest.raises(CallersError, match="token_sha256 of its entry 1"):
        read_callers(written(tmp_path, f'name = "ana"\ntoken_sha256 = {hashes}'))


# --- a file that changes


def test_a_changed_file_is_read_again_and_holds_once_it_is_taken(tmp_path: Path) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    assert file.reread() is None

    written(tmp_path, 'name = "bob"\nsubjects = "1"')
    fresh = file.reread()
    assert fresh is not None
    assert list(file.callers.by_name) == ["ana"]
    file.take(fresh)
    assert list(file.callers.by_name) == ["bob"]
    assert file.reread() is None


def test_whoever_comes_and_goes_with_a_changed_file_is_told_once_it_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    with caplog.at_level(logging.INFO):
        for entries in ([ANA, 'name = "bob"\nsubjects = "1"'], ['name = "bob"\nsubjects = "1"'], [ANA]):
            written(tmp_path, *entries)
            fresh = file.reread()
            assert fresh is not None
            file.take(fresh)

    told = "the file of RUNWAY_MCP_CALLERS is taken, callers: "
    assert [record.getMessage() for record in caplog.records] == [
        f"{told}2; new: bob",
        f"{told}1; gone: ana",
        f"{told}1; new: ana; gone: bob",
    ]


def test_a_version_with_a_fault_changes_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    for fault in ("[[", 'name = "no more"'):
        written(tmp_path, fault)
        with caplog.at_level(logging.WARNING):
            assert file.reread() is file.reread() is None

    assert list(file.callers.by_name) == ["ana"]
    assert len(caplog.records) == 2
    assert "hunter2" not in caplog.text
    written(tmp_path, ANA, 'name = "bob"\nsubjects = "1"')
    assert file.reread() is not None


def test_a_version_whose_token_file_comes_later_holds_once_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    written(tmp_path, 'name = "bob"\nsubjects = "1"\nuseapi_token_file = "useapi"')
    with caplog.at_level(logging.WARNING):
        assert [file.reread() for _ in range(3)] == [None, None, None]
    assert len(caplog.records) == 1

    (tmp_path / "useapi").write_text("user:7-secret", encoding="utf-8")
    fresh = file.reread()
    assert fresh is not None
    assert list(fresh.by_name) == ["bob"]
    file.take(fresh)
    assert file.reread() is None


def test_what_is_not_taken_is_offered_again(tmp_path: Path) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    written(tmp_path, 'name = "bob"\nsubjects = "1"')

    assert [each and list(each.by_name) for each in (file.reread(), file.reread())] == [["bob"], ["bob"]]


def test_a_change_between_read_and_take_is_seen_at_the_next_look(tmp_path: Path) -> None:
    file = CallersFile(written(tmp_path, ANA), hide=ignore)
    written(tmp_path, ANA, 'name = "bob"\nsubjects = "1"')
    fresh = file.reread()
    assert fresh is not None
    written(tmp_path, 'name = "eve"\nsubjects = "2"')
    file.take(fresh)

    newer = file.reread()
    assert newer is not None
    assert list(newer.by_name) == ["eve"]


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, ANA)
    file = CallersFile(path, hide=ignore)
    path.unlink()

    assert file.reread() is None
    assert list(file.callers.by_name) == ["ana"]
    assert "No such file" in caplog.text


def test_a_new_useapi_token_is_read_and_each_is_kept_out_of_the_log(tmp_path: Path) -> None:
    hidden: list[str] = []
    useapi = tmp_path / "useapi"
    useapi.write_text("user:7-old", encoding="utf-8")
    file = CallersFile(written(tmp_path, f'{ANA}\nuseapi_token_file = "useapi"'), hide=hidden.append)

    useapi.write_text("user:7-newer", encoding="utf-8")
    fresh = file.reread()

    assert fresh is not None
    assert fresh.by_name["ana"].useapi_token == SecretStr("user:7-newer")
    assert hidden == ["user:7-old", "user:7-newer"]


def test_the_example_of_the_page_is_a_file_of_callers(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs/http.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "bob-useapi-token").write_text("user:7-secret", encoding="utf-8")
    (tmp_path / "callers.toml").write_text(example, encoding="utf-8")
    callers = read_callers(tmp_path / "callers.toml")

    assert list(callers.by_name) == ["ana", "bob"]
    assert callers.by_subject == {"auth0|64f0c2": callers.by_name["bob"]}
