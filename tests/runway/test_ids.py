import pytest

from runway_mcp.runway.errors import InvalidRequest
from runway_mcp.runway.ids import account_of, checked_id, is_same, kind_of, task_beside
from tests.runway.samples import ASSET_ID, EMAIL, TASK_ID, UUID


@pytest.mark.parametrize("value", [TASK_ID, ASSET_ID, UUID, "a" * 512, "...", "-"])
def test_an_id_comes_back_as_it_is(value: str) -> None:
    assert checked_id(value, "taskId") == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            ".",
            "..",
            "a b",
            "a/b",
            "../accounts",
            "a?b",
            "a#b",
            "a%2Fb",
            "a\\b",
            "a\tb",
            "a\n",
            "\x00",
            "a\x7f",
        ),
        *("ünï", "a\u202eb", "\ud800", '"a"', "<a>", "{a}", "[a]", "a|b", "a^b", "`", "a" * 513),
    ],
)
def test_what_could_change_the_path_is_refused_by_the_name_of_its_field(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^taskId "):
        checked_id(value, "taskId")


@pytest.mark.parametrize(
    ("long_id", "email"),
    [
        (TASK_ID, EMAIL),
        (ASSET_ID, EMAIL),
        (f"user:9-runwayml:a-task:b@c.example-asset:{UUID}", "a-task:b@c.example"),
        (f"user:9-runwayml:-task:{UUID}", None),
        (UUID, None),
        (TASK_ID[:-1], None),
        (TASK_ID + "\n", None),
        ("", None),
    ],
)
def test_the_account_is_read_from_the_right_of_a_long_id(long_id: str, email: str | None) -> None:
    assert account_of(long_id) == email


@pytest.mark.parametrize(
    ("long_id", "kind"),
    [
        (TASK_ID, "task"),
        (ASSET_ID, "asset"),
        (f"user:9-runwayml:a-task:b@c.example-asset:{UUID}", "asset"),
        (UUID, None),
    ],
)
def test_a_long_id_tells_what_it_names(long_id: str, kind: str | None) -> None:
    assert kind_of(long_id) == kind


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("user:1-runwayml:a@example.com-task:AB", True),
        ("ab", True),
        ("user:1-runwayml:a@example.com-task:ac", False),
        ("", False),
    ],
)
def test_ids_are_the_same_by_their_uuid(other: str, *, same: bool) -> None:
    assert is_same("user:1-runwayml:a@example.com-task:ab", other) is same


BARE = "0000abcd-0000-4000-8000-000000000000"
FILM = "user:1-runwayml:a-asset:@b-task:.example-asset:11111111-0000-4000-8000-000000000000"
MAKER = f"user:1-runwayml:a-asset:@b-task:.example-task:{BARE}"


@pytest.mark.parametrize(
    ("near", "reference", "named"),
    [
        (FILM, BARE, MAKER),
        (FILM, BARE.upper(), MAKER),
        (MAKER, BARE, MAKER),
        (FILM, "user:2-runwayml:c@d-task:" + BARE, "user:2-runwayml:c@d-task:" + BARE),
        (FILM, "user:2-runwayml:c@d-asset:" + BARE, None),
        (FILM, "a name", None),
        ("an-asset", BARE, None),
    ],
)
def test_a_task_beside_a_film_is_of_its_account(near: str, reference: str, named: str | None) -> None:
    assert task_beside(near, reference) == named
