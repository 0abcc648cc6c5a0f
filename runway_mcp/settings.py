"""The settings of the program, and the only reader of its own environment variables.

Empty and blank values and unfilled `${...}` and `{env:...}` placeholders count as unset; any other value that does not
fit stops the start. A test compares the table of `docs/settings.md` and `server.json` with the declarations here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from runway_mcp import values
from runway_mcp.values import LONGEST_PUBLIC_URL, is_unfilled


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message is one line that names the variable.

    It shows no value, since a secret may have been put into the wrong variable.
    """


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, meaning, default in words, and `form`, what its value "must be"."""

    name: str
    meaning: str
    form: str
    default: str = "none"
    secret: bool = False


ContinueWith = Literal["gen4.5", "gen4", "gen4-turbo"]
"""The model with which clips go on that have no native extension."""

Save = Literal["own", "never"]
"""Which films are kept on disk: those of this server's tasks, and others on wish; or none."""

_Secret = Annotated[SecretStr, AfterValidator(values.visible)]
_DatabaseUrl = Annotated[SecretStr, AfterValidator(values.database_url)]
_Credits = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_PublicUrl = Annotated[str, AfterValidator(values.public_url)]
_Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Settings(BaseModel):
    """The values that the program runs with, from the environment or given one by one; `data_dir` is required."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: Annotated[
        _Secret | None,
        Variable(
            "USEAPI_TOKEN",
            "Your useapi.net API token. Without it the server starts and lists its tools; each call says what to set.",
            "a useapi.net API token: visible ASCII characters, no blanks",
            secret=True,
        ),
    ] = None
    url: Annotated[
        str,
        AfterValidator(values.base_url),
        Variable(
            "USEAPI_URL",
            "Base URL of the API. The token travels to it, so plain http is taken for this machine alone.",
            "an https URL (http for this machine alone) without user name, query and fragment",
            "https://api.useapi.net/v1/runwayml",
        ),
    ] = "https://api.useapi.net/v1/runwayml"
    email: Annotated[
        _Email | None,
        Variable(
            "USEAPI_EMAIL",
            "The Runway account whose assets are listed, when several are linked to your useapi.net account.",
            "an e-mail address",
        ),
    ] = None
    wait_seconds: Annotated[
        int,
        Field(ge=1, le=600),
        Variable(
            "RUNWAY_MCP_WAIT_SECONDS",
            "How many seconds a call waits for its task when it does not say, and the most that it may ask for "
            "(1 to 600). 25 suits hosts that cut calls off after 30 seconds.",
            "a whole number of seconds from 1 to 600",
            "45",
        ),
    ] = 45
    poll_seconds: Annotated[
        float,
        Field(ge=0.01, le=300, allow_inf_nan=False),
        Variable(
            "RUNWAY_MCP_POLL_SECONDS",
            "The shortest time in seconds between two reads of one account while something runs (0.01 to 300).",
            "a number of seconds from 0.01 to 300",
            "5",
        ),
    ] = 5.0
    data_dir: Annotated[
        Path,
        AfterValidator(values.folder),
        Variable(
            "RUNWAY_MCP_DATA_DIR",
            "The folder of the ledger, which remembers what was submitted, and of whatever else must last. One for an "
            "account and machine, on a local disk: two folders can pay twice.",
            "a folder that can be written to",
            "the user's data folder",
        ),
    ]
    database_url: Annotated[
        _DatabaseUrl | None,
        Variable(
            "RUNWAY_MCP_DATABASE_URL",
            "A PostgreSQL database, 15 or later, that keeps the ledger in place of the data folder's file, so that "
            "servers on several machines share it. Needs the extra `postgres`.",
            "a URL such as postgresql://user:password@host/database",
            secret=True,
        ),
    ] = None
    max_credits_per_call: Annotated[
        int | None,
        Field(ge=0),
        Variable(
            "RUNWAY_MCP_MAX_CREDITS_PER_CALL",
            "The most credits that one extension may cost, by the estimate. Explore mode costs none and always passes.",
            "a whole number of credits",
        ),
    ] = None
    max_credits_per_day: Annotated[
        int | None,
        Field(ge=0),
        Variable(
            "RUNWAY_MCP_MAX_CREDITS_PER_DAY",
            "The most credits that the extensions of any 24 hours may cost together, counted over all servers that "
            "share the ledger; a submit whose fate is unclear counts.",
            "a whole number of credits",
        ),
    ] = None
    confirm_above: Annotated[
        _Credits | None,
        BeforeValidator(values.threshold),
        Variable(
            "RUNWAY_MCP_CONFIRM",
            "Whether a person must confirm a spend: `never`, `always`, or a number of credits above which to ask. "
            "Where the host cannot ask, the call is declined and says how to confirm with the quote of a dry run.",
            "never, always, or a number of credits",
            "never",
        ),
    ] = None
    public_url: Annotated[
        _PublicUrl | None,
        Variable(
            "RUNWAY_MCP_PUBLIC_URL",
            "The address under which useapi.net reaches this server's HTTP transport. With it, submits ask to be "
            "called back at /callbacks/, in place of the account's own replyUrl, and tasks are polled far less.",
            f"an http or https URL of at most {LONGEST_PUBLIC_URL} characters, without user name, query and fragment",
        ),
    ] = None
    access_token: Annotated[
        _Secret | None,
        Variable(
            "RUNWAY_MCP_ACCESS_TOKEN",
            "What clients of the HTTP and SSE transports must send as a bearer token. "
            "Needed to listen beyond this machine, unless callers or an issuer are set, and then at least 16 "
            "characters long.",
            "a token of visible ASCII characters, no blanks",
            secret=True,
        ),
    ] = None
    callers: Annotated[
        Path | None,
        AfterValidator(values.existing_file),
        Variable(
            "RUNWAY_MCP_CALLERS",
            "A TOML file of the callers of the HTTP transports: the hashes of their tokens, what each may do and "
            "spend. Read again when it changes; `callers new NAME` makes an entry.",
            "a file that exists",
        ),
    ] = None
    issuer: Annotated[
        str | None,
        AfterValidator(values.issuer),
        Variable(
            "RUNWAY_MCP_ISSUER",
            "The issuer (OAuth 2.1, OpenID Connect) whose signed tokens (JWT) the HTTP transports take. Needs "
            "`RUNWAY_MCP_AUDIENCE` or `RUNWAY_MCP_PUBLIC_URL`.",
            "an https URL (http for this machine alone) without user name, query and fragment",
        ),
    ] = None
    audience: Annotated[
        str | None,
        Field(max_length=LONGEST_PUBLIC_URL),
        Variable(
            "RUNWAY_MCP_AUDIENCE",
            "The audience that the issuer's tokens for this server name, besides its own address, which is "
            "`RUNWAY_MCP_PUBLIC_URL` and `/mcp`.",
            f"a text of at most {LONGEST_PUBLIC_URL} characters",
        ),
    ] = None
    log: Annotated[
        Literal["text", "json"],
        BeforeValidator(values.lower),
        Variable(
            "RUNWAY_MCP_LOG",
            "The form of the log on stderr: `text`, or `json` for one JSON object a line, with caller and task.",
            "text or json",
            "text",
        ),
    ] = "text"
    metrics: Annotated[
        str | None,
        AfterValidator(values.loopback_address),
        Variable(
            "RUNWAY_MCP_METRICS",
            "Where the HTTP transports' figures can be read by Prometheus: an address of this machine, such as "
            "127.0.0.1:9464. Needs the extra `metrics`.",
            "a loopback address and a port, such as 127.0.0.1:9464",
        ),
    ] = None
    resource_links: Annotated[
        bool,
        BeforeValidator(values.flag),
        Variable(
            "RUNWAY_MCP_RESOURCE_LINKS",
            "Whether results carry `resource_link` blocks beside the text, for hosts that show them, such as VS Code: "
            "`true` or `false`. Several frameworks break on such blocks.",
            "true or false",
            "false",
        ),
    ] = False
    save: Annotated[
        Save | None,
        BeforeValidator(values.lower),
        Variable(
            "RUNWAY_MCP_SAVE",
            "Whether films are kept on disk: `own` keeps each film of this server's tasks when it is ready, and offers "
            "`save_film` for any other; `never` does neither.",
            "own or never",
            "`own` on stdio, `never` over HTTP",
        ),
    ] = None
    save_dir: Annotated[
        Path | None,
        AfterValidator(values.folder),
        Variable(
            "RUNWAY_MCP_SAVE_DIR",
            "The folder in which films are kept. Nothing is written outside it and the data folder; no file in it is "
            "ever replaced, and 1 GB of its disk stays free.",
            "a folder that can be written to",
            "`Runway` in the user's videos folder, or `films` in the data folder where there is none",
        ),
    ] = None
    continue_with: Annotated[
        ContinueWith | None,
        BeforeValidator(values.lower),
        Variable(
            "RUNWAY_MCP_CONTINUE_WITH",
            f"The model that continues clips which Runway cannot extend: {values.either(get_args(ContinueWith), '`')}. "
            "Without it each such call has to name its `model`, and a dry run says how.",
            values.either(get_args(ContinueWith)),
        ),
    ] = None
    upload_films: Annotated[
        bool | None,
        BeforeValidator(values.flag),
        Variable(
            "RUNWAY_MCP_UPLOAD_FILMS",
            "Whether joined films are also uploaded to the Runway account, so that they have an assetId and a link: "
            "`true` or `false`. False over HTTP refuses to continue clips, since nobody could fetch the film.",
            "true or false",
            "`false` on stdio, `true` over HTTP",
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        BeforeValidator(values.host_names),
        Variable(
            "RUNWAY_MCP_ALLOWED_HOSTS",
            "Host names, separated by commas, under which clients reach the HTTP and SSE transports; with a port, that "
            "port alone. Needed to listen beyond this machine; the names of this machine itself need no entry.",
            "a list of host names separated by commas, such as mcp.example.com,10.0.0.5:8000",
        ),
    ] = ()

    state_keys: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(values.state_keys),
        Variable(
            "RUNWAY_MCP_STATE_KEYS",
            "The keys that seal what clients carry from one request to the next, the same for all servers on one "
            "database: at least 32 characters each, separated by commas, or a file with one on each line. The first "
            "one seals and all of them open, so that keys can be replaced. Without any each start makes one.",
            "keys of at least 32 visible ASCII characters, separated by commas, or a file with one on each line",
            secret=True,
        ),
    ] = ()

    token_unfilled: bool = False
    """Whether the token's variable holds a placeholder that the host did not fill in."""

    over_http: bool = False
    """Whether hosts reach the server over HTTP, so that files on its disk are out of their reach."""

    @property
    def has_replicas(self) -> bool:
        """Whether a host's next request may reach another server: they share a database, and hosts come over HTTP."""
        return self.over_http and self.database_url is not None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`, with the user's data folder where none is set; raises `SettingsError`."""
        given: dict[str, str | Path] = {"data_dir": platformdirs.user_data_path("useapi-runway-mcp", appauthor=False)}
        for field, variable in variables().items():
            value = environ.get(variable.name, "").strip()
            if value and not is_unfilled(value):
                given[field] = value
        token = environ.get(variables()["token"].name, "")
        try:
            return cls.model_validate({**given, "token_unfilled": is_unfilled(token)})
        except ValidationError as error:
            variable = variables()[str(error.errors(include_input=False)[0]["loc"][0])]
        raise SettingsError(f"{variable.name} must be {variable.form}")


def films_folder(settings: Settings, *, videos: Path | None = None) -> Path:
    """Where films are kept: the folder that is set, else `Runway` in the videos folder, else one in the data folder.

    `videos` takes the place of the user's videos folder, which counts only if it exists.
    """
    if settings.save_dir is not None:
        return settings.save_dir
    videos = videos or platformdirs.user_videos_path()
    return videos / "Runway" if videos.is_dir() else settings.data_dir / "films"


def variables() -> dict[str, Variable]:
    """Every variable by the name of its field, in the order of the table."""
    return {
        name: variable
        for name, field in Settings.model_fields.items()
        for variable in field.metadata
        if isinstance(variable, Variable)
    }


def settings_table() -> str:
    """The table of settings of `docs/settings.md`, in Markdown, without a final line end."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for variable in variables().values():
        default = variable.default if " " in variable.default or variable.default == "none" else f"`{variable.default}`"
        note = " Secret." if variable.secret else ""
        rows.append(f"| `{variable.name}` | {default} | {variable.meaning}{note} |")
    return "\n".join(rows)
