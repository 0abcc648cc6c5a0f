"""Submits: one POST, whatever happens; a refusal only where surely nothing was started."""

import inspect
import json
import traceback
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Extension, Task
from tests.runway.samples import ASSET_ID, BUSY, SIGNED, TASK, TASK_ID, TOKEN, Respond, client_of, not_gzip, shown

REQUEST = Extension(asset_id=ASSET_ID, text_prompt="the dunes ☀", seconds=10, seed=7, reply_ref="ref-1")
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
HTTP_ERRORS = [kind for _, kind in inspect.getmembers(httpx, inspect.isclass) if issubclass(kind, httpx.RequestError)]


async def test_a_submit_posts_the_request_and_gives_back_the_task() -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(200, json=TASK), seen=seen) as client:
        assert await client.submit(REQUEST) == Task.model_validate(TASK)

    (request,) = seen
    assert request.method == "POST"
    assert request.url.path == "/v1/runwayml/gen3/extend"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == REQUEST.body()


async def test_a_turbo_clip_is_extended_at_its_own_endpoint() -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(200, json={"task": TASK}), seen=seen) as client:
        submission = Extension(endpoint="gen3turbo/extend", asset_id=ASSET_ID, seed=7)
        assert (await client.submit(submission)).task_id == TASK_ID

    assert seen[0].url.path == "/v1/runwayml/gen3turbo/extend"
    assert json.loads(seen[0].content) == {"assetId": ASSET_ID, "seed": 7}


ANSWERS: list[tuple[httpx.Response | Respond, type[errors.RunwayError]]] = [
    (httpx.Response(400), errors.InvalidRequest),
    (httpx.Response(400, json={"error": "Text prompt did not pass moderation"}), errors.Moderated),
    (httpx.Response(401), errors.Unauthorized),
    (httpx.Response(402), errors.SubscriptionLapsed),
    (httpx.Response(403), errors.InvalidRequest),
    (httpx.Response(404), errors.NotFound),
    (httpx.Response(412), errors.InsufficientCredits),
    (httpx.Response(422), errors.Moderated),
    (httpx.Response(429), errors.Busy),
    (httpx.Response(429, json=BUSY), errors.Busy),
    (httpx.Response(451), errors.InvalidRequest),
    (httpx.Response(596), errors.AccountBroken),
    *((httpx.Response(status), errors.SubmitUnclear) for status in (408, 425, 500, 502, 503, 504, 522, 595, 597, 599)),
    *(
        (httpx.Response(status, headers={"Location": "/"}), errors.SubmitUnclear)
        for status in (301, 302, 303, 307, 308)
    ),
    *((httpx.Response(status), errors.SubmitUnclear) for status in (200, 201, 204, 304, 600, 999)),
    (httpx.Response(200, text="<html></html>"), errors.SubmitUnclear),
    (httpx.Response(200, json={"error": "no", "code": 412}), errors.SubmitUnclear),
    (not_gzip, errors.SubmitUnclear),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS, ids=shown)
async def test_a_submit_is_posted_once_whatever_is_answered(
    answer: httpx.Response | Respond, error: type[errors.RunwayError]
) -> None:
    seen: list[httpx.Request] = []
    async with client_of(answer, seen=seen) as client:
        with pytest.raises(errors.RunwayError) as caught:
            await client.submit(REQUEST)

    assert type(caught.value) is error
    assert len(seen) == 1


@pytest.mark.parametrize("kind", HTTP_ERRORS)
async def test_a_failure_of_http_is_a_refusal_only_if_no_byte_was_sent(kind: type[httpx.RequestError]) -> None:
    seen: list[httpx.Request] = []
    async with client_of(kind(f"odd {TOKEN}"), seen=seen) as client:
        with pytest.raises(errors.RunwayError) as caught:
            await client.submit(REQUEST)

    assert len(seen) == 1
    if kind.__name__ in NOT_SENT:
        assert isinstance(caught.value, errors.Unavailable)
        assert not caught.value.sent
    else:
        assert isinstance(caught.value, errors.SubmitUnclear)


@pytest.mark.parametrize(
    "failure", [OSError("reset"), RuntimeError("bug"), AssertionError(), ExceptionGroup("x", [OSError()])]
)
async def test_a_failure_nobody_foresaw_is_unclear(failure: Exception) -> None:
    async with client_of(failure) as client:
        with pytest.raises(errors.SubmitUnclear):
            await client.submit(REQUEST)


def breaking(status: int, failure: Exception, *, close: Exception | None = None) -> Respond:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield json.dumps(TASK).encode()
            raise failure

        async def aclose(self) -> None:
            if close:
                raise close

    return lambda _: httpx.Response(status, stream=Body())


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, errors.SubmitUnclear), (503, errors.SubmitUnclear), (412, errors.InsufficientCredits), (429, errors.Busy)],
)
@pytest.mark.parametrize("failure", [httpx.ReadError("x"), httpx.RemoteProtocolError("x"), OSError("x")])
@pytest.mark.parametrize("close", [None, OSError("x")])
async def test_the_status_decides_even_when_the_body_breaks_off(
    status: int, error: type[errors.RunwayError], failure: Exception, close: Exception | None
) -> None:
    async with client_of(breaking(status, failure, close=close)) as client:
        with pytest.raises(errors.RunwayError) as caught:
            await client.submit(REQUEST)

    assert type(caught.value) is error


async def test_a_connection_that_fails_to_close_after_the_whole_answer_hides_nothing() -> None:
    class Body(httpx.AsyncByteStream):
        closed = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield json.dumps({"error": "no"}).encode()

        async def aclose(self) -> None:
            raise httpx.CloseError("x")

    async with client_of(lambda _: httpx.Response(404, stream=Body())) as client:
        with pytest.raises(errors.NotFound):
            await client.submit(REQUEST)


@pytest.mark.virtual_time
@pytest.mark.parametrize("status", [None, 200, 503])
async def test_a_submit_without_an_end_is_unclear_after_a_minute(status: int | None) -> None:
    seen: list[httpx.Request] = []

    async def never(request: httpx.Request) -> httpx.Response:
        seen.append(request)

        async def drops() -> AsyncIterator[bytes]:
            while True:
                await anyio.sleep(1)
                yield b" "

        if status is None:
            await anyio.sleep_forever()
        return httpx.Response(status or 0, content=drops())

    async with RunwayClient(url="http://api.example", token=TOKEN, transport=httpx.MockTransport(never)) as client:
        began = anyio.current_time()
        with pytest.raises(errors.SubmitUnclear):
            await client.submit(REQUEST)

        assert anyio.current_time() - began == pytest.approx(60)
    assert len(seen) == 1


@pytest.mark.virtual_time
async def test_cancelling_a_submit_ends_it_at_once() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with RunwayClient(url="http://api.example", token=TOKEN, transport=httpx.MockTransport(never)) as client:
        began = anyio.current_time()
        with anyio.move_on_after(3) as scope:
            await client.submit(REQUEST)

        assert scope.cancelled_caught
        assert anyio.current_time() - began == pytest.approx(3)


LEAKS: list[httpx.Response | Exception] = [
    *(kind(f"Illegal header value b'Bearer {TOKEN}' for {SIGNED}") for kind in HTTP_ERRORS),
    *(httpx.Response(status, json={"error": f"{TOKEN} {SIGNED}"}) for status in (200, 400, 401, 404, 429, 503, 596)),
    httpx.Response(200, text=f"{TOKEN} {SIGNED}"),
    OSError(f"{TOKEN} {SIGNED}"),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("failure", LEAKS, ids=lambda failure: type(failure).__name__)
async def test_neither_the_token_nor_a_signed_link_is_told(
    failure: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told: list[str] = []
    async with client_of(failure) as client:
        for call in (lambda: client.submit(REQUEST), lambda: client.task(TASK_ID)):
            try:
                await call()
            except errors.RunwayError as error:
                told += [str(error), repr(error), error.message, *traceback.format_exception(error)]
            except OSError:
                pass  # a read lets through what HTTP does not know
        told += [repr(client), str(client), str(vars(client))]
    told += [str(vars(record)) for record in caplog.records]

    assert told
    assert not [text for text in told if "AbCdEf" in text or "_jwt" in text]


async def test_trouble_with_a_submit_is_logged_by_endpoint_status_and_cause(caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(httpx.Response(502, text="bad gateway")) as client:
        with pytest.raises(errors.SubmitUnclear):
            await client.submit(REQUEST)

    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage().startswith("POST /gen3/extend failed, HTTP 502: The submit ended without a clear answer")
    assert "bad gateway" in record.getMessage()
