from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from runway_mcp.settings import Settings, SettingsError, films_folder, is_loopback, settings_table, variables

DECIDED_LATER = ("data_dir", "save", "save_dir", "upload_films")
"""Fields whose default depends on the machine, or on the transport, and is told in words."""


def test_without_any_variable_the_defaults_hold_and_the_ledger_lies_in_the_users_data_folder() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings(data_dir=settings.data_dir)
    assert (settings.wait_seconds, settings.poll_seconds) == (45, 5.0)
    assert settings.url == "https://api.useapi.net/v1/runwayml"
    assert settings.token is settings.email is settings.access_token is None
    assert settings.data_dir.is_absolute()
    assert "useapi-runway-mcp" in settings.data_dir.parts


@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_an_empty_or_blank_value_is_as_good_as_none(nothing: str) -> None:
    blank = {variable.name: nothing for variable in variables().values()}

    assert Settings.from_environment(blank) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("USEAPI_TOKEN", " user:1234-abc ", "token", SecretStr("user:1234-abc")),
        ("USEAPI_TOKEN", "no-prefix", "token", SecretStr("no-prefix")),
        ("USEAPI_URL", "https://example.com/v1/", "url", "https://example.com/v1"),
        ("USEAPI_URL", "http://127.0.0.1:8123", "url", "http://127.0.0.1:8123"),
        ("USEAPI_URL", "http://[::1]:8123/v1//", "url", "http://[::1]:8123/v1"),
        ("USEAPI_URL", "HTTP://LOCALHOST/v1", "url", "HTTP://LOCALHOST/v1"),
        ("USEAPI_EMAIL", "me@example.com", "email", "me@example.com"),
        ("RUNWAY_MCP_WAIT_SECONDS", "600", "wait_seconds", 600),
        ("RUNWAY_MCP_POLL_SECONDS", "0.25", "poll_seconds", 0.25),
        ("RUNWAY_MCP_DATA_DIR", "/srv/runway", "data_dir", Path("/srv/runway")),
        ("RUNWAY_MCP_DATA_DIR", "here", "data_dir", Path.cwd() / "here"),
        ("RUNWAY_MCP_DATA_DIR", "~/runway", "data_dir", Path.home() / "runway"),
        (
            "RUNWAY_MCP_DATABASE_URL",
            "postgres://a:b@h1,h2:1/c?d=e",
            "database_url",
            SecretStr("postgres://a:b@h1,h2:1/c?d=e"),
        ),
        ("RUNWAY_MCP_MAX_CREDITS_PER_CALL", "0", "max_credits_per_call", 0),
        ("RUNWAY_MCP_MAX_CREDITS_PER_DAY", "500", "max_credits_per_day", 500),
        ("RUNWAY_MCP_CONFIRM", "Always", "confirm_above", 0.0),
        ("RUNWAY_MCP_CONFIRM", "never", "confirm_above", None),
        ("RUNWAY_MCP_CONFIRM", "60", "confirm_above", 60.0),
        ("RUNWAY_MCP_PUBLIC_URL", "http://mcp.example.com:81/r/", "public_url", "http://mcp.example.com:81/r"),
        ("RUNWAY_MCP_ACCESS_TOKEN", "$t0ken", "access_token", SecretStr("$t0ken")),
        ("RUNWAY_MCP_CALLERS", __file__, "callers", Path(__file__)),
        ("RUNWAY_MCP_ISSUER", "https://id.example.com/t/", "issuer", "https://id.example.com/t/"),
        ("RUNWAY_MCP_ISSUER", "http://127.0.0.1:8123", "issuer", "http://127.0.0.1:8123"),
        ("RUNWAY_MCP_AUDIENCE", "api://runway", "audience", "api://runway"),
        ("RUNWAY_MCP_LOG", "JSON", "log", "json"),
        ("RUNWAY_MCP_METRICS", "127.0.0.1:9464", "metrics", "127.0.0.1:9464"),
        ("RUNWAY_MCP_METRICS", "[::1]:9464", "metrics", "[::1]:9464"),
        ("RUNWAY_MCP_SAVE", "Own", "save", "own"),
        ("RUNWAY_MCP_SAVE", "never", "save", "never"),
        ("RUNWAY_MCP_SAVE_DIR", "/srv/films", "save_dir", Path("/srv/films")),
        ("RUNWAY_MCP_SAVE_DIR", "~/films", "save_dir", Path.home() / "films"),
        ("RUNWAY_MCP_STATE_KEYS", f"{'a' * 32}, {'b' * 40},", "state_keys", (SecretStr("a" * 32), SecretStr("b" * 40))),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "A.example.com, 10.0.0.5:80,", "allowed_hosts", ("a.example.com", "10.0.0.5:80")),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "[fe80::1]:8000", "allowed_hosts", ("[fe80::1]:8000",)),
    ],
)
def test_a_value_that_fits_is_taken(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(Settings.from_environment({name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNWAY_MCP_CALLERS", "/no/such/file.toml"),
        ("RUNWAY_MCP_CALLERS", "/"),
        ("RUNWAY_MCP_ISSUER", "http://id.example.com"),
        ("RUNWAY_MCP_ISSUER", "https://id.example.com?a=b"),
        ("RUNWAY_MCP_LOG", "xml"),
        ("RUNWAY_MCP_METRICS", "0.0.0.0:9464"),
        ("RUNWAY_MCP_METRICS", "127.0.0.1"),
        ("RUNWAY_MCP_METRICS", "127.0.0.1:99999"),
        ("USEAPI_TOKEN", "two words"),
        ("USEAPI_TOKEN", "tökën"),
        ("USEAPI_TOKEN", "a\x00b"),
        ("USEAPI_URL", "api.useapi.net"),
        ("USEAPI_URL", "ftp://example.com"),
        ("USEAPI_URL", "http://example.com/v1"),
        ("USEAPI_URL", "http://127.0.0.1.example.com/v1"),
        ("USEAPI_URL", "https://me:hunter2@example.com/v1"),
        ("USEAPI_URL", "https://example.com/v1?key=hunter2"),
        ("USEAPI_URL", "https://example.com/v1#hunter2"),
        ("USEAPI_URL", "https://example.com/a b"),
        ("USEAPI_URL", "https://example.com:99999"),
        ("USEAPI_URL", "https://[::1"),
        ("USEAPI_URL", "https:///v1"),
        ("USEAPI_EMAIL", "hunter2"),
        ("RUNWAY_MCP_WAIT_SECONDS", "0"),
        ("RUNWAY_MCP_WAIT_SECONDS", "601"),
        ("RUNWAY_MCP_WAIT_SECONDS", "soon"),
        ("RUNWAY_MCP_POLL_SECONDS", "0"),
        ("RUNWAY_MCP_POLL_SECONDS", "nan"),
        ("RUNWAY_MCP_POLL_SECONDS", "inf"),
        ("RUNWAY_MCP_POLL_SECONDS", "301"),
        ("RUNWAY_MCP_DATA_DIR", __file__),
        ("RUNWAY_MCP_DATA_DIR", "~nobody-of-this-name/runway"),
        ("RUNWAY_MCP_DATABASE_URL", "host=here dbname=hunter2"),
        ("RUNWAY_MCP_DATABASE_URL", "postgresql:hunter2"),
        ("RUNWAY_MCP_MAX_CREDITS_PER_CALL", "-1"),
        ("RUNWAY_MCP_MAX_CREDITS_PER_DAY", "12.5"),
        ("RUNWAY_MCP_CONFIRM", "sometimes"),
        ("RUNWAY_MCP_CONFIRM", "-1"),
        ("RUNWAY_MCP_CONFIRM", "nan"),
        ("RUNWAY_MCP_PUBLIC_URL", "mcp.example.com"),
        ("RUNWAY_MCP_PUBLIC_URL", f"https://mcp.example.com/{'r' * 900}"),
        ("RUNWAY_MCP_PUBLIC_URL", "https://me:hunter2@example.com"),
        ("RUNWAY_MCP_ACCESS_TOKEN", "two words"),
        ("RUNWAY_MCP_SAVE", "always"),
        ("RUNWAY_MCP_SAVE_DIR", __file__),
        ("RUNWAY_MCP_STATE_KEYS", "hunter2"),
        ("RUNWAY_MCP_STATE_KEYS", f"{'a' * 32},hunter2"),
        ("RUNWAY_MCP_STATE_KEYS", "/nowhere/keys-that-are-long-enough-for-keys"),
        ("RUNWAY_MCP_STATE_KEYS", __file__),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "*"),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "https://example.com"),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "example.com/mcp"),
        ("RUNWAY_MCP_ALLOWED_HOSTS", "a b"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable_and_shows_no_value(name: str, value: str) -> None:
    form = next(variable.form for variable in variables().values() if variable.name == name)

    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"USEAPI_TOKEN": "hunter2", name: value})

    assert str(refused.value) == f"{name} must be {form}"
    assert "\n" not in form
    assert refused.value.__context__ is refused.value.__cause__ is None


def test_the_keys_of_a_file_are_those_of_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{'a/' * 16}\n\n{'b' * 32}\n", encoding="ascii")

    read = Settings.from_environment({"RUNWAY_MCP_STATE_KEYS": str(file)})

    assert [key.get_secret_value() for key in read.state_keys] == ["a/" * 16, "b" * 32]


@pytest.mark.parametrize("name", [variable.name for variable in variables().values()])
@pytest.mark.parametrize("value", ["${user_config.value}", "${input:token}", "${HOME}/runway"])
def test_a_placeholder_that_the_host_left_counts_as_unset_and_the_tokens_is_remembered(name: str, value: str) -> None:
    read = Settings.from_environment({name: value})

    assert read == Settings.from_environment({}).model_copy(update={"token_unfilled": name == "USEAPI_TOKEN"})


def test_settings_show_no_secret_and_cannot_be_changed() -> None:
    settings = Settings(token=SecretStr("hunter2"), access_token=SecretStr("hunter3"), data_dir=Path("/srv"))

    assert "hunter" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    with pytest.raises(ValidationError):
        settings.wait_seconds = 1  # pyright: ignore[reportAttributeAccessIssue] - the refusal is what is tested


def test_settings_made_by_hand_obey_the_same_rules() -> None:
    assert Settings(data_dir=Path("/srv"), allowed_hosts=("a.example.com",)).allowed_hosts == ("a.example.com",)
    with pytest.raises(ValidationError):
        Settings(data_dir=Path("/srv"), wait_seconds=0)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_names_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.1", "::", "10.0.0.5", "localhost.example.com", "example.com"])
def test_every_other_name_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_every_field_is_a_variable_and_a_row_of_the_table() -> None:
    table = settings_table().splitlines()

    assert [*variables(), "token_unfilled", "over_http"] == list(Settings.model_fields)
    assert [row.split("`")[1] for row in table[2:]] == [variable.name for variable in variables().values()]
    assert {row.count("|") for row in table} == {4}


def test_the_table_tells_the_default_that_the_code_has() -> None:
    for name, variable in variables().items():
        default = Settings.model_fields[name].default
        if variable.default != "none" and name not in DECIDED_LATER:
            assert Settings.from_environment({variable.name: variable.default}) == Settings.from_environment({})
            assert (
                str(default).removesuffix(".0").replace("None", "never").replace("False", "false") == variable.default
            )


def test_films_are_kept_in_the_folder_that_is_set_else_with_the_users_videos_else_with_the_data(tmp_path: Path) -> None:
    videos, missing = tmp_path / "Videos", tmp_path / "missing"
    videos.mkdir()
    unset = Settings(data_dir=tmp_path / "data")

    assert films_folder(unset, videos=videos) == videos / "Runway"
    assert films_folder(unset, videos=missing) == tmp_path / "data" / "films"
    assert films_folder(Settings(data_dir=tmp_path, save_dir=tmp_path / "set"), videos=videos) == tmp_path / "set"
    assert not (videos / "Runway").exists()
