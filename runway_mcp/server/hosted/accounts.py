"""The useapi.net tokens of a hosted server, each with one client and watcher, and which caller goes through which."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.to_thread import run_sync
from pydantic import SecretStr

from runway_mcp.callers import Callers, CallersFile
from runway_mcp.server.context import Account
from runway_mcp.settings import Settings
from runway_mcp.tasks.service import take_up
from runway_mcp.tasks.store.token_view import Owns, user_of

REREAD_SECONDS: Final = 2.0
"""How often the file of callers is looked at, in seconds."""

_LEAVING_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)

OpenAccount = Callable[[SecretStr | None, Owns, Callable[[str], Settings]], AbstractAsyncContextManager[Account]]
"""Opens what works with a useapi.net token, or with none, for the callers that it owns; with the settings of each."""


class Accounts:
    """What is open for each caller of a file, and the settings that hold for him; made by `opened_accounts`.

    A token is closed once nobody has had it for as long as a call may wait, and a minute more: by then those that
    began with it are over.
    """

    def __init__(self, settings: Settings, open_account: OpenAccount, group: TaskGroup, leaving: TaskGroup) -> None:
        self._settings = settings
        self._open = open_account
        self._group = group
        self._leaving = leaving
        self._own = settings.token
        self._adopting = anyio.Lock()
        # Whose requests go through which token, callers that are in the file no more included: their tasks go on.
        self._tokens: dict[str, SecretStr | None] = {}
        self._routes: dict[str, Account] = {}
        self._accounts: dict[SecretStr | None, tuple[Account, anyio.Event]] = {}
        self._settings_of: dict[str, Settings] = {}
        self._unused_since: dict[SecretStr | None, float] = {}

    @property
    def own(self) -> Account:
        """What is open for the server's own token, and so for callers who have none."""
        return self._accounts[self._own][0]

    def account_of(self, caller: str) -> Account:
        """What is open for a caller."""
        return self._routes.get(caller, self.own)

    def settings_of(self, caller: str) -> Settings:
        """The settings that hold for a caller."""
        return self._settings_of.get(caller, self._settings)

    def accounts(self) -> tuple[Account, ...]:
        """All that are open; may be asked in any thread."""
        # Copied in one step first: the loop may open or close one between two steps of a comprehension.
        return tuple(account for account, _ in tuple(self._accounts.values()))

    async def adopt(self, callers: Callers) -> None:
        """Opens what new tokens need, then lets each caller go where the file says; changes nothing if that fails."""
        async with self._adopting:
            await self._adopt(callers)

    async def _adopt(self, callers: Callers) -> None:
        wanted = {name: caller.useapi_token or self._own for name, caller in callers.by_name.items()}
        own = {
            name: self._settings.model_copy(update=dict(caller.settings)) for name, caller in callers.by_name.items()
        }
        before, open_before = (self._tokens, self._settings_of), set(self._accounts)
        # What opens resumes its callers' tasks at once.
        self._tokens, self._settings_of = self._tokens | wanted, self._settings_of | own
        try:
            for token in (self._own, *wanted.values()):
                if token not in self._accounts:
                    self._accounts[token] = await self._group.start(self._run, token)
        except BaseException:
            self._tokens, self._settings_of = before
            raise
        self._routes |= {name: self._accounts[token][0] for name, token in wanted.items()}
        self._settings_of = own
        if any(before[0].get(name, self._own) != token for name, token in wanted.items()):
            self._take_up(open_before)
        self._note_unused()

    def end(self) -> None:
        """Closes all, in order."""
        for _, ended in self._accounts.values():
            ended.set()

    def _owner(self, caller: str, user: str | None) -> SecretStr | None:
        """The token that follows a caller's intents: his own, but for those of a user whom that token is not of.

        Those are of the account that he went through before, which another caller may still have here; else nobody's.
        """
        token = self._tokens.get(caller, self._own)
        if user is None or _user_of(token) in (None, user):
            return token
        return next((each for each in self._accounts if _user_of(each) == user), None)

    def _take_up(self, tokens: Iterable[SecretStr | None]) -> None:
        """Has each of these accounts follow what it owns from now on; one that opens does so by itself."""
        for token in tokens:
            service = self._accounts[token][0].open_service
            if service is not None:
                self._leaving.start_soon(take_up, service)

    def _note_unused(self) -> None:
        """Has each token left that nobody has from now on; one that somebody has again is not."""
        used = {self._own, *self._tokens.values()}
        before, now = self._unused_since, anyio.current_time()
        self._unused_since = {token: before.get(token, now) for token in self._accounts if token not in used}
        for token in self._unused_since.keys() - before.keys():
            self._leaving.start_soon(self._leave, token, now)

    async def _leave(self, token: SecretStr | None, since: float) -> None:
        await anyio.sleep(self._settings.wait_seconds + _LEAVING_SECONDS)
        # A change under way may give it to somebody again.
        async with self._adopting:
            if self._unused_since.get(token) == since:
                # Whoever comes back to it from here on opens it anew.
                del self._unused_since[token]
                _, ended = self._accounts.pop(token)
                ended.set()
                self._take_up(self._accounts)

    async def _run(self, token: SecretStr | None, *, task_status: TaskStatus[tuple[Account, anyio.Event]]) -> None:
        def owns(caller: str, user: str | None = None) -> bool:
            return self._owner(caller, user) == token

        ended = anyio.Event()
        async with self._open(token, owns, self.settings_of) as account:
            task_status.started((account, ended))
            await ended.wait()


def _user_of(token: SecretStr | None) -> str | None:
    return None if token is None else user_of(token.get_secret_value())


@asynccontextmanager
async def opened_accounts(settings: Settings, file: CallersFile, open_account: OpenAccount) -> AsyncGenerator[Accounts]:
    """The accounts of a file of callers, which is read again whenever it changes."""
    async with anyio.create_task_group() as group, anyio.create_task_group() as background:
        accounts = Accounts(settings, open_account, group, background)
        try:
            await accounts.adopt(file.callers)
            background.start_soon(_reread, accounts, file)
            yield accounts
        finally:
            background.cancel_scope.cancel()
            accounts.end()


async def _reread(accounts: Accounts, file: CallersFile) -> None:
    while True:
        await anyio.sleep(REREAD_SECONDS)
        await take_changes(accounts, file)


async def take_changes(accounts: Accounts, file: CallersFile) -> None:
    """Lets what the file says now hold, unless that holds already; never raises. What fails is tried again later."""
    try:
        fresh = await run_sync(file.reread)
        if fresh is not None:
            await accounts.adopt(fresh)
            file.take(fresh)
    except Exception as error:  # noqa: BLE001  a crash here would end every call of the process
        if file.is_new_fault(type(error).__name__):
            _log.exception("a change of the file of RUNWAY_MCP_CALLERS could not be taken")
