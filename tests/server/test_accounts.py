"""The useapi.net tokens of a hosted server: one account for each, which callers go through, as the file says."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from pydantic import SecretStr

from runway_mcp.callers import Caller, Callers, CallersFile
from runway_mcp.data_folder import LEDGER
from runway_mcp.server.context import Account
from runway_mcp.server.hosted.accounts import Accounts, opened_accounts, take_changes
from runway_mcp.settings import Settings
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.store.token_view import Owns
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.server import open_client, open_server
from tests.kit.upstream import Upstream, fault, virtual_world
from tests.kit.virtual_time import VirtualTimeLoop
from tests.server.callers import Of
from tests.server.many_callers import OTHER_TOKEN, ByUseapiToken, CallersOnDisk
from tests.server.subscribers import hearing

pytestmark = pytest.mark.virtual_time

SERVERS = "user:1-server"
OWN = 'useapi_token_file = "useapi"'


@dataclass
class Opened:
    """What is open at the moment, by its token, with whom it owns; and how often one was opened."""

    owns: dict[str | None, Owns] = field(default_factory=dict[str | None, Owns])
    count: int = 0
    is_broken: bool = False

    @asynccontextmanager
    async def account(
        self, token: SecretStr | None, owns: Owns, _: Callable[[str], Settings]
    ) -> AsyncGenerator[Account]:
        """An account that only notes that it is open."""
        name = None if token is None else token.get_secret_value()
        assert name not in self.owns, "a token is open once"
        if self.is_broken:
            raise OSError("it cannot be opened")
        self.owns[name] = owns
        self.count += 1
        try:
            yield cast("Any", Account(None, cast("Any", name), None, None))
        finally:
            del self.owns[name]


@dataclass
class Place:
    """Accounts, what is open, and the file."""

    accounts: Accounts
    opened: Opened
    on_disk: CallersOnDisk
    file: CallersFile

    def token_of(self, caller: str) -> Any:
        """Through which token a caller goes."""
        return self.accounts.account_of(caller).observers

    async def write(self, **entries: str) -> None:
        """Writes the file anew, and lets it hold."""
        self.on_disk.write(**entries)
        await take_changes(self.accounts, self.file)


def wait_for_threads() -> None:
    """No time passes while a worker thread reads the file."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.limiters = [current_default_thread_limiter()]


@asynccontextmanager
async def place(folder: Path, token: str | None = SERVERS, **entries: str) -> AsyncGenerator[Place]:
    wait_for_threads()
    on_disk, opened = CallersOnDisk(folder), Opened()
    file = CallersFile(on_disk.write(**entries), hide=lambda _: None)
    settings = Settings.model_validate({"data_dir": folder, "token": token, "max_credits_per_day": 500})
    async with opened_accounts(settings, file, opened.account) as accounts:
        yield Place(accounts, opened, on_disk, file)
    assert opened.owns == {}, "all are closed at the end"


async def test_each_token_is_open_once_and_owns_its_callers(tmp_path: Path) -> None:
    async with place(tmp_path, ana="", bob=OWN, eve=OWN) as here:
        assert here.opened.count == 2
        assert [here.token_of(each) for each in ("ana", "bob", "eve", "unnamed")] == [
            *(SERVERS, OTHER_TOKEN, OTHER_TOKEN, SERVERS),
        ]
        callers = ("ana", "bob", "eve", "unnamed")
        owned = {token: [each for each in callers if owns(each)] for token, owns in here.opened.owns.items()}
        assert owned == {SERVERS: ["ana", "unnamed"], OTHER_TOKEN: ["bob", "eve"]}


@contextmanager
def threads_that_switch_often() -> Generator[None]:
    """Threads take turns after a few instructions, so that one is interrupted wherever that is possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


async def test_what_is_open_may_be_asked_in_another_thread_while_it_changes(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "token": SERVERS})
    callers = [Caller(f"c{number}", frozenset(), useapi_token=SecretStr(f"user:{number}-x")) for number in range(300)]
    is_over, most, faults = threading.Event(), [0], list[Exception]()

    def ask() -> None:
        try:
            while not is_over.is_set():
                most[0] = max(most[0], len(accounts.accounts()))
        except RuntimeError as error:
            faults.append(error)

    async with anyio.create_task_group() as group:
        accounts = Accounts(settings, Opened().account, group, group)
        asking = threading.Thread(target=ask)
        with threads_that_switch_often():
            asking.start()
            try:
                await accounts.adopt(Callers({each.name: each for each in callers}))
            finally:
                is_over.set()
                asking.join(10)
                accounts.end()

    assert (faults, most[0] > 1) == ([], True)


async def test_settings_of_a_caller_take_the_place_of_the_servers(tmp_path: Path) -> None:
    async with place(tmp_path, ana="max_credits_per_day = 5", bob="") as here:
        caps = {each: here.accounts.settings_of(each).max_credits_per_day for each in ("ana", "bob", "unnamed")}
        assert caps == {"ana": 5, "bob": 500, "unnamed": 500}

        await here.write(ana="", bob="max_credits_per_day = 7")
        assert [here.accounts.settings_of(each).max_credits_per_day for each in ("ana", "bob")] == [500, 7]


async def test_a_caller_who_gets_a_token_of_his_own_goes_through_it_at_once(tmp_path: Path) -> None:
    async with place(tmp_path, ana="", bob="") as here:
        assert here.opened.count == 1
        await here.write(ana="", bob=OWN)

        assert here.token_of("bob") == OTHER_TOKEN
        assert here.opened.owns[OTHER_TOKEN]("bob")
        assert not here.opened.owns[SERVERS]("bob")


async def test_a_change_that_could_not_be_taken_changes_nothing_is_told_once_and_is_taken_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(tmp_path, ana="", eve="") as here:
        here.opened.is_broken = True
        here.on_disk.write(ana="max_credits_per_day = 5", bob=OWN)
        for _ in range(3):
            await take_changes(here.accounts, here.file)
        assert [record.exc_info is not None for record in caplog.records] == [True]
        assert list(here.file.callers.by_name) == ["ana", "eve"]
        assert here.opened.owns[SERVERS]("bob")
        assert here.accounts.settings_of("ana").max_credits_per_day == 500

        here.opened.is_broken = False
        await take_changes(here.accounts, here.file)
        assert list(here.file.callers.by_name) == ["ana", "bob"]
        assert here.token_of("bob") == OTHER_TOKEN


async def test_what_a_removed_caller_left_stays_with_his_token(tmp_path: Path) -> None:
    async with place(tmp_path, ana="", bob=OWN) as here:
        await here.write(ana="")
        await anyio.sleep(3600)

        assert here.opened.owns[OTHER_TOKEN]("bob")
        assert not here.opened.owns[SERVERS]("bob")


async def test_a_token_that_was_replaced_is_closed_and_opened_anew_for_whoever_comes_back_to_it(tmp_path: Path) -> None:
    async with place(tmp_path, ana="", bob=OWN) as here:
        (tmp_path / "useapi").write_text("user:5678-new-one", encoding="utf-8")
        await here.write(ana="", bob=OWN)

        assert here.token_of("bob") == "user:5678-new-one"
        assert set(here.opened.owns) == {SERVERS, OTHER_TOKEN, "user:5678-new-one"}
        await anyio.sleep(3600)
        assert set(here.opened.owns) == {SERVERS, "user:5678-new-one"}

        (tmp_path / "useapi").write_text(OTHER_TOKEN, encoding="utf-8")
        await here.write(ana="", bob=OWN)
        assert here.token_of("bob") == OTHER_TOKEN


async def test_a_token_that_was_left_a_second_time_stays_open_as_long_as_after_the_first(tmp_path: Path) -> None:
    async with place(tmp_path, ana="", bob=OWN) as here:
        await here.write(ana="", bob="")
        await anyio.sleep(100)
        await here.write(ana="", bob=OWN)
        await anyio.sleep(4)
        await here.write(ana="", bob="")

        await anyio.sleep(100)
        assert set(here.opened.owns) == {SERVERS, OTHER_TOKEN}
        assert here.opened.count == 2
        await anyio.sleep(10)
        assert set(here.opened.owns) == {SERVERS}


async def test_a_call_that_waits_with_a_token_which_is_replaced_meanwhile_sees_its_film(
    tmp_path: Path, mode: str
) -> None:
    wait_for_threads()
    theirs, on_disk = virtual_world(pace=30, token=OTHER_TOKEN), CallersOnDisk(tmp_path)
    by_token = ByUseapiToken(virtual_world(), theirs)
    file = CallersFile(on_disk.write(ana="", bob=OWN), hide=lambda _: None)
    told: list[dict[str, Any]] = []
    async with (
        open_server(virtual_world(), tmp_path, transport=by_token, callers=file) as server,
        server.client(mode, caller="bob") as bob,
        anyio.create_task_group() as group,
    ):
        task = await bob.data("extend_video", assetId=theirs.asset_id(theirs.assets[0]), wait_seconds=0)

        async def wait() -> None:
            told.append(await bob.data("get_task", taskId=task["taskId"], wait_seconds=45))

        group.start_soon(wait)
        on_disk.write(ana="", bob="")

    assert [(each["status"], "video" in each) for each in told] == [("SUCCEEDED", True)]
    assert bob.took > 20, "the token was replaced while the call waited"


async def test_what_a_caller_made_before_he_changed_accounts_stays_with_the_account_that_made_it(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, ana="", bob=OWN, eve=OWN) as here:
        await here.write(ana="", bob="", eve=OWN)

        owns = here.opened.owns
        told = {
            token: [owns[token]("bob"), owns[token]("bob", "user:1-"), owns[token]("bob", "user:5678-")]
            for token in owns
        }
        assert told == {SERVERS: [True, True, False], OTHER_TOKEN: [False, False, True]}


@pytest.mark.parametrize(
    ("user", "owners"), [(None, [SERVERS]), ("user:1-", [SERVERS]), ("user:5678-", [OTHER_TOKEN]), ("user:9-", [])]
)
async def test_a_caller_of_no_file_is_served_by_the_token_of_the_user_who_made_his_tasks(
    tmp_path: Path, user: str | None, owners: list[str]
) -> None:
    async with place(tmp_path, ana="", bob=OWN) as here:
        assert [token for token, owns in here.opened.owns.items() if owns("unnamed", user)] == owners


async def test_of_two_tokens_of_one_user_one_alone_follows_what_a_caller_has_made(tmp_path: Path) -> None:
    (tmp_path / "second").write_text("user:5678-second", encoding="utf-8")
    second = 'useapi_token_file = "second"'
    async with place(tmp_path, ana="", bob=OWN, eve=second) as here:
        owners = {
            caller: [token for token, owns in here.opened.owns.items() if owns(caller, "user:5678-")]
            for caller in ("ana", "bob", "eve")
        }
        assert owners == {"ana": [OTHER_TOKEN], "bob": [OTHER_TOKEN], "eve": ["user:5678-second"]}


async def test_a_server_with_the_token_of_another_user_on_the_same_ledger_leaves_tasks_and_submits_alone(
    tmp_path: Path, mode: str
) -> None:
    theirs = virtual_world(pace=7200, token=OTHER_TOKEN)
    async with open_client(theirs, tmp_path, mode, token=SecretStr(OTHER_TOKEN)) as bob:
        await bob.extend(bob.clip, text_prompt="over the dunes", wait_seconds=0)
        fault(theirs, method="POST", path_prefix="/gen3", kind="reset")
        await bob.extend(bob.clip, text_prompt="into the sea", wait_seconds=0)
    before = await unfinished(tmp_path)
    assert len(before) == 2

    async with open_server(virtual_world(), tmp_path):
        await anyio.sleep(3600)
    assert await unfinished(tmp_path) == before


class Asked(ByUseapiToken):
    """Carries requests, and notes by which token each path was asked for."""

    def __init__(self, *worlds: World) -> None:
        super().__init__(*worlds)
        self.asked: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.headers["authorization"], request.url.path))
        return await super().handle_async_request(request)


async def test_who_wants_to_hear_of_a_task_of_another_account_has_nothing_asked_about_it_with_his_own_token(
    tmp_path: Path, mode: str
) -> None:
    ours, theirs = virtual_world(), virtual_world(pace=7200, token=OTHER_TOKEN)
    asked = Asked(ours, theirs)
    wait_for_threads()
    file = CallersFile(CallersOnDisk(tmp_path).write(ana="", bob=OWN), hide=lambda _: None)
    async with open_server(ours, tmp_path, transport=asked, callers=file) as server:
        async with server.client(mode, caller="bob") as bob:
            told = await bob.data("extend_video", assetId=theirs.asset_id(theirs.assets[0]), wait_seconds=0)
        async with hearing(Of(server, "ana"), mode, told["task_uri"]):
            await anyio.sleep(3600)

    by_whom = {token for token, path in asked.asked if path.endswith(told["taskId"])}
    assert by_whom == {f"Bearer {OTHER_TOKEN}"}
    assert [each.task_id for each in await unfinished(tmp_path)] == [told["taskId"]]


class OneUser(httpx.AsyncBaseTransport):
    """Carries the requests by each token of one user to his world."""

    def __init__(self, world: World) -> None:
        self._upstream, self._token = Upstream(world), world.token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["authorization"] = f"Bearer {self._token}"
        return await self._upstream.handle_async_request(request)


@pytest.mark.parametrize("moved", ["", 'useapi_token_file = "other"'])
async def test_the_running_tasks_of_a_caller_who_changes_tokens_are_followed_by_an_account_of_their_user(
    tmp_path: Path, moved: str
) -> None:
    wait_for_threads()
    world, on_disk = virtual_world(pace=1800), CallersOnDisk(tmp_path)
    (tmp_path / "useapi").write_text("user:1234-second", encoding="utf-8")
    (tmp_path / "other").write_text(OTHER_TOKEN, encoding="utf-8")
    file = CallersFile(on_disk.write(ana="", bob=OWN), hide=lambda _: None)
    async with open_server(world, tmp_path, transport=OneUser(world), callers=file) as server:
        async with server.client("auto", caller="bob") as bob:
            await bob.extend(bob.clip, wait_seconds=0)
        on_disk.write(ana="", bob=moved)
        # By then the account of the token that nobody has any more is closed.
        await anyio.sleep(3600)

        assert await unfinished(tmp_path) == []


async def unfinished(folder: Path) -> list[Intent]:
    """What the ledger has of a server's tasks and submits, as it stands."""
    with SqliteStore(folder / LEDGER, wall_clock) as store:
        return await store.select(Selection.UNFINISHED)
