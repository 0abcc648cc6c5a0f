"""Reads of the client: what they ask for, what they give back, and how patiently."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Asset, Credits, Task
from tests.runway.samples import (
    ACCOUNTS,
    ASSET,
    ASSET_ID,
    BUSY,
    EMAIL,
    TASK,
    TASK_ID,
    TOKEN,
    Respond,
    client_of,
    not_gzip,
    shown,
)

Read = Callable[[RunwayClient], Awaitable[Any]]
FEATURES = {"permitted": {"numPlanCredits": 5}, "used": {"numPlanCredits": 2}}
OK = httpx.Response(200, json=TASK)

READS: list[tuple[Read, object, str, object]] = [
    (lambda client: client.task(TASK_ID), {"task": TASK}, f"/tasks/{TASK_ID}", Task.model_validate(TASK)),
    (lambda client: client.tasks(), [TASK], "/tasks/?offset=0&limit=100", (Task.model_validate(TASK),)),
    (
        lambda client: client.tasks(email="a+b@c.example", offset=5, limit=7, statuses=["PENDING", "SUCCEEDED"]),
        [],
        "/tasks/?offset=5&limit=7&email=a%2Bb%40c.example&statuses=PENDING%2CSUCCEEDED",
        (),
    ),
    (lambda client: client.asset(ASSET_ID), ASSET, f"/assets/{ASSET_ID}", Asset.model_validate(ASSET)),
    (lambda client: client.assets(), [ASSET], "/assets/?offset=0&limit=10", (Asset.model_validate(ASSET),)),
    (
        lambda client: client.assets(media_type="video", offset=3, limit=50, email="a@c.example"),
        [],
        "/assets/?offset=3&limit=50&mediaType=video&email=a%40c.example",
        (),
    ),
    (lambda client: client.scheduler(), [], "/scheduler/", ()),
    (lambda client: client.credits(), FEATURES, "/features/", Credits(permitted=5, used=2)),
    (
        lambda client: client.credits("a@c.example"),
        FEATURES,
        "/features/?email=a%40c.example",
        Credits(permitted=5, used=2),
    ),
    (lambda client: client.accounts(), ACCOUNTS, "/accounts", (EMAIL, "second@studio.example")),
]


@pytest.mark.parametrize(("read", "body", "path", "told"), READS)
async def test_each_read_asks_its_endpoint_and_gives_back_what_it_tells(
    read: Read, body: object, path: str, told: object
) -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(200, json=body), seen=seen) as client:
        assert await read(client) == told

    (request,) = seen
    assert request.method == "GET"
    assert request.url.raw_path.decode() == f"/v1/runwayml{path}"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a?b", "a%2Fb", "ü", "a b", "a" * 513])
async def test_a_bad_id_never_reaches_the_transport(bad: str) -> None:
    seen: list[httpx.Request] = []
    async with client_of(OK, seen=seen) as client:
        with pytest.raises(errors.InvalidRequest, match="taskId"):
            await client.task(bad)
        with pytest.raises(errors.InvalidRequest, match="assetId"):
            await client.asset(bad)

    assert seen == []


PASSING: list[httpx.Response | Exception | Respond] = [
    *(httpx.Response(status) for status in (429, 500, 502, 503, 504, 520, 522, 599, 408, 425)),
    httpx.Response(429, json=BUSY),
    *(httpx.Response(200, content=body) for body in (b"", b"<html>busy</html>", b'{"taskId": "cu')),
    not_gzip,
    *(kind("gone") for kind in (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)),
    *(kind("late") for kind in (httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)),
    *(
        kind("odd")
        for kind in (httpx.ProxyError, httpx.CloseError, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
    ),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("failure", PASSING, ids=shown)
async def test_what_may_pass_is_tried_again_until_it_does(failure: httpx.Response | Exception | Respond) -> None:
    seen: list[httpx.Request] = []
    async with client_of(failure, failure, OK, seen=seen) as client:
        assert (await client.task(TASK_ID)).task_id == TASK_ID

    assert len(seen) == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize("patience", [0, 0.1, 3, 20])
async def test_when_patience_is_over_the_last_error_is_raised(patience: float) -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(500), httpx.Response(503), seen=seen) as client:
        began = anyio.current_time()
        with pytest.raises(errors.Unavailable, match=f"HTTP {500 if patience < 1 else 503}"):
            await client.task(TASK_ID, patience=patience)

        assert anyio.current_time() - began <= patience
    assert (len(seen) == 1) is (patience < 1)
    assert len(seen) < 10


@pytest.mark.virtual_time
async def test_pauses_grow_up_to_a_limit() -> None:
    times: list[float] = []

    def fail(_: httpx.Request) -> httpx.Response:
        times.append(anyio.current_time())
        return httpx.Response(503)

    async with client_of(fail) as client:
        with pytest.raises(errors.Unavailable):
            await client.task(TASK_ID, patience=60)

    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    for pause, least in zip(pauses, [0.5, 1, 2, 4], strict=False):
        assert least <= pause <= least + 0.51
    assert all(4.99 <= pause <= 5.01 for pause in pauses[4:])
    assert times[-1] - times[0] >= 54


@pytest.mark.virtual_time
async def test_the_patience_of_the_client_is_the_default() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with RunwayClient(url="http://api.example", token=TOKEN, transport=transport, patience=100) as client:
        began = anyio.current_time()
        with pytest.raises(errors.Unavailable):
            await client.tasks()

        assert 90 <= anyio.current_time() - began <= 100


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("retry_after", "pause"), [("12", 12), ("Thu, 01 Jan 1970 00:16:55 GMT", 15), ("0", 1), ("1", 1), ("odd", 1)]
)
async def test_a_retry_after_that_fits_is_kept_to(retry_after: str, pause: float) -> None:
    async with client_of(httpx.Response(503, headers={"Retry-After": retry_after}), OK) as client:
        began = anyio.current_time()
        await client.task(TASK_ID)

        assert pause - 0.5 <= anyio.current_time() - began <= pause + 0.01


@pytest.mark.virtual_time
async def test_a_retry_after_beyond_the_patience_ends_the_read_at_once() -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(429, headers={"Retry-After": "30"}), OK, seen=seen) as client:
        began = anyio.current_time()
        with pytest.raises(errors.Busy) as caught:
            await client.task(TASK_ID)

        assert anyio.current_time() == began
    assert caught.value.retry_after == 30
    assert len(seen) == 1


FINAL: list[tuple[httpx.Response, type[errors.RunwayError]]] = [
    (httpx.Response(400), errors.InvalidRequest),
    (httpx.Response(401), errors.Unauthorized),
    (httpx.Response(402), errors.SubscriptionLapsed),
    (httpx.Response(403), errors.InvalidRequest),
    (httpx.Response(404, text="Configuration not found."), errors.NotFound),
    (httpx.Response(412), errors.InsufficientCredits),
    (httpx.Response(422), errors.Moderated),
    (httpx.Response(596), errors.AccountBroken),
    (httpx.Response(600), errors.UnexpectedResponse),
    (httpx.Response(302, headers={"Location": "https://elsewhere.example"}), errors.UnexpectedResponse),
    (httpx.Response(200, json={"error": "no task in here"}), errors.UnexpectedResponse),
    (httpx.Response(200, json=[TASK]), errors.UnexpectedResponse),
    (httpx.Response(200, json=7), errors.UnexpectedResponse),
]


@pytest.mark.parametrize(("answer", "error"), FINAL, ids=shown)
async def test_what_will_not_pass_is_asked_once(answer: httpx.Response, error: type[errors.RunwayError]) -> None:
    seen: list[httpx.Request] = []
    async with client_of(answer, seen=seen) as client:
        with pytest.raises(errors.RunwayError) as caught:
            await client.task(TASK_ID)

    assert type(caught.value) is error
    assert len(seen) == 1


@pytest.mark.virtual_time
async def test_a_read_that_is_busy_to_the_end_says_so() -> None:
    async with client_of(httpx.Response(429, json=BUSY)) as client:
        with pytest.raises(errors.Busy) as caught:
            await client.tasks()

    assert caught.value.by == "useapi"


@pytest.mark.virtual_time
async def test_an_answer_that_never_ends_is_given_up() -> None:
    async def trickle(_: httpx.Request) -> httpx.Response:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                await anyio.sleep(1)
                yield b" "

        return httpx.Response(200, content=drops())

    async with RunwayClient(url="http://api.example", token=TOKEN, transport=httpx.MockTransport(trickle)) as client:
        began = anyio.current_time()
        with pytest.raises(errors.Unavailable, match="broke off"):
            await client.task(TASK_ID, patience=0)

        assert anyio.current_time() - began == pytest.approx(30)


@pytest.mark.virtual_time
@pytest.mark.parametrize("after", [0.0, 0.25, 1.0, 7.0])
async def test_cancelling_a_read_ends_it_at_once(after: float) -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.2)
        return httpx.Response(503)

    async with RunwayClient(url="http://api.example", token=TOKEN, transport=httpx.MockTransport(slow)) as client:
        began = anyio.current_time()
        with anyio.move_on_after(after) as scope:
            await client.task(TASK_ID)

        assert scope.cancelled_caught
        assert anyio.current_time() - began == pytest.approx(after)


async def test_no_password_of_an_account_leaves_the_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with client_of(httpx.Response(200, json=ACCOUNTS)) as client:
        assert await client.accounts() == (EMAIL, "second@studio.example")
    async with client_of(httpx.Response(200, json=[ACCOUNTS])) as client:
        with pytest.raises(errors.UnexpectedResponse) as caught:
            await client.accounts()

    assert "hunter2" not in caplog.text + repr(caught.getrepr(showlocals=False))


async def test_no_linked_account_is_told_in_plain_text() -> None:
    async with client_of(httpx.Response(404, text="Configuration not found. Please add an account.")) as client:
        with pytest.raises(errors.NotFound, match="Configuration not found"):
            await client.accounts()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "ftp://api.example",
        "http://",
        "https://me:pw@api.example",
        "http://a.example/?x",
        "http://a.example:port",
        "http://\ud800",
    ],
)
def test_a_base_url_that_cannot_carry_the_token_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="base URL"):
        RunwayClient(url=url, token=TOKEN)


@pytest.mark.parametrize("token", ["to ken", "token\n", "\ta", "tökén", "\u200b", "a\x00"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(token: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="API token") as caught:
        RunwayClient(url="http://api.example", token=token)

    assert token not in caught.value.message


async def test_without_a_token_no_authorization_is_sent() -> None:
    seen: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401, json={"error": "Unauthorized", "code": 401})

    async with RunwayClient(url="http://api.example/", token="", transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(errors.Unauthorized):
            await client.scheduler()

    assert str(seen[0].url) == "http://api.example/scheduler/"
    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            httpx.Response(502, text="bad gateway"),
            'GET /tasks/{id} failed, HTTP 502: useapi.net failed to answer (HTTP 502). It said: "bad gateway"',
        ),
        (
            httpx.ReadTimeout("late"),
            "GET /tasks/{id} failed, no answer: useapi.net gave no answer: the answer did not come in time.",
        ),
        (httpx.Response(401), "GET /tasks/{id} failed, HTTP 401: useapi.net refused the API token."),
        (httpx.Response(404), None),
        (OK, None),
    ],
)
async def test_trouble_is_logged_by_endpoint_status_and_cause_and_without_ids(
    answer: httpx.Response | Exception, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(answer) as client:
        with suppress(errors.RunwayError):
            await client.task(TASK_ID, patience=0)

    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ([] if told is None else [told])
