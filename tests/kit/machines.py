"""Server processes that share a database, each of which can be killed, stopped and begun anew at the same address."""

import signal
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress

import anyio
import anyio.to_thread

from tests.kit.processes import PROGRAM, HttpServerProcess, http_server_process

# A server that drains ends within half a minute.
_DRAIN_SECONDS = 35.0


class Machine:
    """A server process with this environment, at the same port each time; 0 is another free one each time."""

    def __init__(self, env: Mapping[str, str], *, port: int = 0) -> None:
        self.port = port
        self.served: HttpServerProcess | None = None
        self._env = env
        self._context: AbstractContextManager[HttpServerProcess] | None = None
        self._turn = anyio.Lock()

    async def start(self) -> None:
        """Starts it unless it runs."""
        async with self._turn:
            if self.served is None:
                command = [*PROGRAM, "serve", "--transport", "http", "--port", str(self.port)]
                context = http_server_process(command, self._env)
                self.served = await anyio.to_thread.run_sync(context.__enter__)
                self._context = context

    async def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal, if it runs; one that stands still goes on first unless it is killed."""
        async with self._turn:
            context, served = self._context, self.served
            self._context = self.served = None
            if context is not None and served is not None:
                served.program.process.send_signal(by)
                if by is not signal.SIGKILL:
                    served.program.process.send_signal(signal.SIGCONT)
                with anyio.CancelScope(shield=True):
                    if by is not signal.SIGKILL:
                        with suppress(subprocess.TimeoutExpired):
                            await anyio.to_thread.run_sync(served.program.process.wait, _DRAIN_SECONDS)
                    await anyio.to_thread.run_sync(context.__exit__, None, None, None)

    def stop(self) -> None:
        """Makes its process stand still, if it runs."""
        if self.served is not None:
            self.served.program.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets its process go on."""
        if self.served is not None:
            self.served.program.process.send_signal(signal.SIGCONT)
