"""What a server tells of its own work to whoever measures or traces it: nothing by default, and then at no cost."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote


class Operation:
    """An operation under way; what is told of it goes nowhere here."""

    def answered(self, status: int | None) -> None:
        """Upstream's HTTP status; None if no answer came."""

    def of_task(self, task_id: str | None) -> None:
        """The task that it is about, if it is known."""


class Upstream(Protocol):
    """Makes a context that is open during a request to upstream and the reading of its answer."""

    def __call__(self, method: str, endpoint: str, url: str) -> AbstractContextManager[Operation]:
        """`endpoint` is a path without an id; `url` is the base URL."""
        ...


class Meter(Protocol):
    """Takes figures of a server's work."""

    def stored(self, verb: str, seconds: float, *, failed: bool) -> None:
        """A verb of the ledger has ended."""
        ...

    def lease_lost(self) -> None:
        """Another server has a lease that this one held."""
        ...

    def called_back(self, *, known: bool) -> None:
        """Upstream has called back, at an address that is `known` or not."""
        ...

    def submitted(self, outcome: str, cost: int = 0) -> None:
        """A submit, or a call that made none, has come to its outcome, at an estimated cost in credits."""
        ...

    def watch(self, counts: Mapping[str, Callable[[], float]]) -> None:
        """Has counts read whenever figures are, in another thread."""
        ...


_NOT_MEASURED: Final = nullcontext(Operation())
_NOT_APART: Final = nullcontext()


def _unmeasured(method: str, endpoint: str, url: str) -> AbstractContextManager[Operation]:
    _ = method, endpoint, url
    return _NOT_MEASURED


@dataclass(frozen=True)
class Telemetry:
    """What is told where: without arguments nothing is told.

    `claim` makes a context that is open while an intent is claimed, `apart` one for work that a call has begun and that
    may outlive it, `untraced` one in which work is started that is of no call. `meter` is None where no figures are
    wanted.
    """

    upstream: Upstream = _unmeasured
    claim: Callable[[], AbstractContextManager[Operation]] = lambda: _NOT_MEASURED
    apart: Callable[[], AbstractContextManager[None]] = lambda: _NOT_APART
    untraced: Callable[[], AbstractContextManager[None]] = lambda: _NOT_APART
    meter: Meter | None = None


_SHORTEST_SECRET: Final = 8

NO_TELEMETRY: Final = Telemetry()
"""Nothing is measured."""


def both(first: Upstream, second: Upstream) -> Upstream:
    """Tells both of each request."""

    @contextmanager
    def told(method: str, endpoint: str, url: str) -> Generator[Operation]:
        with first(method, endpoint, url) as one, second(method, endpoint, url) as other:
            yield _Both(one, other)

    return told


class _Both(Operation):
    def __init__(self, first: Operation, second: Operation) -> None:
        self._parts = first, second

    def answered(self, status: int | None) -> None:
        for part in self._parts:
            part.answered(status)

    def of_task(self, task_id: str | None) -> None:
        for part in self._parts:
            part.of_task(task_id)


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether spans are to be exported by OTLP, as the standard variables of OpenTelemetry say."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = [name.strip() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if exporters:
        return "otlp" in exporters
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name, "").strip() for name in endpoints)


def unspoken_protocol(environment: Mapping[str, str]) -> str | None:
    """The variable that wants spans sent by another protocol than ours, which is protobuf over HTTP; None if none."""
    names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    name = next((each for each in names if environment.get(each, "").strip()), None)
    return None if name is None or environment[name].strip().lower() == "http/protobuf" else name


def header_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the headers that go to a collector, which may be keys of it.

    As they are written, as they are sent, which is percent-decoded, and without a scheme before them.
    """
    names = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
    headers = [each.partition("=")[2].strip() for name in names for each in environment.get(name, "").split(",")]
    sent = [unquote(value).strip() for value in headers]
    spelled = [*headers, *sent, *(value.rpartition(" ")[2] for value in sent)]
    return tuple(dict.fromkeys(value for value in spelled if len(value) >= _SHORTEST_SECRET))
