"""Scripted trouble: what a caller sees of it, and whether the request was handled."""

from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.simulator.api.callbacks import Send
from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import EMAIL, add_account, add_task
from runway_mcp.simulator.faults import ConnectionLost, Fault, FaultError, consume, fault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import API, clip, extend

LIMIT = 60.0


@pytest.mark.parametrize(
    ("rule", "status", "content_type", "text"),
    [
        ({"status": 502}, 502, None, ""),
        ({"status": 500, "body": {"error": "x"}}, 500, "application/json", '{"error": "x"}'),
        ({"status": 504, "body": "<html>late</html>"}, 504, "text/html; charset=utf-8", "<html>late</html>"),
        ({"status": 200, "body": "ok"}, 200, "text/plain; charset=utf-8", "ok"),
        ({"status": 200, "body": "{", "content_type": "application/json"}, 200, "application/json", "{"),
        ({"kind": "redirect"}, 302, None, ""),
    ],
)
@pytest.mark.parametrize("handled", [False, True])
async def test_a_scripted_answer_replaces_the_real_one(
    api: httpx.AsyncClient,
    world: World,
    rule: dict[str, Any],
    status: int,
    content_type: str | None,
    text: str,
    handled: bool,
) -> None:
    world.faults.append(Fault("POST", "/gen3/extend", handled=handled, **rule))

    spoilt = await extend(api, clip(world))
    sound = await extend(api, clip(world))

    assert (spoilt.status_code, spoilt.text) == (status, text)
    if content_type:
        assert spoilt.headers["content-type"] == content_type
    assert len(world.accepted) == 1 + handled
    assert sound.status_code == 200
    assert world.requests["POST /gen3/extend"] == 2


async def test_a_fault_carries_headers_of_its_own(api: httpx.AsyncClient, world: World) -> None:
    world.faults.append(Fault(status=429, retry_after=1.5, headers={"X-Seen": "yes"}))
    world.faults.append(Fault(kind="redirect", location="https://else.test/"))

    first, second = [await extend(api, clip(world)) for _ in range(2)]

    assert (first.headers["retry-after"], first.headers["x-seen"]) == ("1.5", "yes")
    assert second.headers["location"] == "https://else.test/"


def test_a_rule_meets_its_method_and_path_as_often_as_it_says() -> None:
    rules = [Fault("GET", "/tasks", times=2), Fault("POST", "/gen3", times=None), Fault("GET", "/assets", times=0)]

    met = [consume(rules, *request) for request in [("GET", "/tasks/1"), ("POST", "/tasks"), ("GET", "/assets")]]
    again = [consume(rules, "GET", "/tasks") for _ in range(2)]

    assert [len(each) for each in met + again] == [1, 0, 0, 1, 0]
    assert [rule.path_prefix for rule in rules] == ["/gen3"]


@pytest.mark.parametrize("described", [{"kind": "explode"}, {"colour": "red"}])
def test_a_fault_that_means_nothing_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        fault(described)


@pytest.mark.parametrize(("kind", "accepted"), [("delay", 0), ("delay_after", 1)])
async def test_a_held_request_is_accepted_only_after_its_delay(
    api: httpx.AsyncClient, world: World, kind: Any, accepted: int
) -> None:
    reached, released = anyio.Event(), anyio.Event()

    async def hold() -> None:
        reached.set()
        await released.wait()

    world.faults.append(Fault(kind=kind, hold=hold))
    answers: list[httpx.Response] = []
    during = -1

    async def submit() -> None:
        answers.append(await extend(api, clip(world)))

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(submit)
            await reached.wait()
            during = len(world.accepted)
            released.set()

    assert (during, len(world.accepted), answers[0].status_code) == (accepted, 1, 200)


async def test_delays_add_up_with_the_fault_that_follows(api: httpx.AsyncClient, world: World) -> None:
    world.faults += [Fault(kind="delay", seconds=0.0), Fault(kind="delay_after"), Fault(status=503)]

    answer = await extend(api, clip(world))

    assert (answer.status_code, world.accepted, world.faults) == (503, [], [])


@pytest.mark.parametrize(("kind", "accepted"), [("reset", 0), ("reset_after", 1), ("cut", 1)])
async def test_in_process_a_lost_connection_is_raised(
    api: httpx.AsyncClient, world: World, kind: Any, accepted: int
) -> None:
    world.faults.append(Fault(kind=kind, after_bytes=5))

    with pytest.raises(ConnectionLost):
        await extend(api, clip(world))

    assert len(world.accepted) == accepted


@pytest.mark.parametrize(
    ("kind", "error", "accepted"),
    [
        ("reset", httpx.ReadError, 0),
        ("reset_after", httpx.ReadError, 1),
        ("cut", httpx.RemoteProtocolError, 1),
    ],
)
async def test_on_a_socket_the_connection_really_is_lost(
    world: World, kind: Any, error: type[Exception], accepted: int
) -> None:
    world.faults.append(Fault("POST", kind=kind, after_bytes=9))
    headers = {"Authorization": f"Bearer {world.token}"}

    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient(base_url=url, headers=headers) as client:
            with pytest.raises(error):
                await extend(client, clip(world))
            after = await extend(client, clip(world))

    assert (len(world.accepted), after.status_code) == (accepted + 1, 200)


async def test_a_cut_answer_promises_more_than_it_sends(world: World) -> None:
    world.faults.append(Fault(kind="cut", after_bytes=9))

    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            port = int(url.split(":")[2].split("/")[0])
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"GET /v1/runwayml/accounts HTTP/1.1\r\nHost: x\r\n\r\n")
                received = b"".join([chunk async for chunk in stream])

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: 35" in head
    assert body == b'{"error":'


async def test_a_caller_who_hangs_up_during_a_delay_is_served_all_the_same(world: World) -> None:
    reached, gone, handled = anyio.Event(), anyio.Event(), anyio.Event()

    async def wait_until_gone() -> None:
        reached.set()
        await gone.wait()

    world.listeners.append(handled.set)
    world.faults.append(Fault(kind="delay", hold=wait_until_gone))
    request = (
        "POST /v1/runwayml/gen3/extend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {world.token}\r\nContent-Length: {{}}\r\n\r\n"
    )
    body = f'{{"assetId":"{clip(world)}"}}'

    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            port = int(url.split(":")[2].split("/")[0])
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send((request.format(len(body)) + body).encode())
                await reached.wait()
            gone.set()
            await handled.wait()

    assert len(world.accepted) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 412, 429])
async def test_a_refusal_may_follow_an_acceptance_as_from_a_middle_box_that_repeats_the_request(
    api: httpx.AsyncClient, world: World, status: int
) -> None:
    body = {"error": "No.", "code": status}
    world.faults.append(Fault("POST", "/gen3/extend", status=status, body=body, handled=True))

    refusal = await extend(api, clip(world), replyRef="r")
    listed = (await api.get("/scheduler/")).json()

    assert (refusal.status_code, refusal.json()) == (status, body)
    assert listed == [{"taskId": world.task_id(world.accepted[0]), "replyRef": "r"}]
    assert world.charged[EMAIL] == 50


@pytest.mark.parametrize("handled", [False, True])
async def test_a_foreign_answer_tells_of_the_newest_other_task(
    api: httpx.AsyncClient, world: World, clock: ManualClock, handled: bool
) -> None:
    other = (await extend(api, clip(world), seed=7, replyRef="theirs")).json()
    clock.advance(3)
    world.faults.append(Fault(path_prefix="/gen3", kind="foreign", handled=handled))

    await api.get("/accounts")
    answer = await extend(api, clip(world), seed=8, replyRef="mine")

    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == other.keys()
    assert [told[name] for name in ("taskId", "status", "replyRef", "code")] == [
        other["taskId"],
        "PENDING",
        "theirs",
        200,
    ]
    assert [task.options["seed"] for task in world.accepted] == [7, 8][: 1 + handled]


async def test_a_foreign_answer_stays_in_the_account_and_shows_what_was_made_by_hand(
    api: httpx.AsyncClient, world: World
) -> None:
    add_account(world, "other@example.com")
    add_task(world, email="other@example.com")
    by_hand, hidden = add_task(world), add_task(world)
    hidden.hidden = True
    world.switch(wrap_create=True)
    world.faults.append(Fault(kind="foreign"))

    answer = await extend(api, clip(world))

    assert answer.json()["task"]["taskId"] == world.task_id(by_hand)


async def test_without_another_task_there_is_no_foreign_answer(api: httpx.AsyncClient, world: World) -> None:
    add_account(world, "other@example.com")
    world.faults.append(Fault(kind="foreign"))

    answer = await api.post(
        "/assets/",
        params={"name": "a.png", "email": "other@example.com"},
        content=b"x",
        headers={"Content-Type": "image/png"},
    )

    assert answer.json()["name"] == "a.png"


async def test_a_busy_account_may_name_the_very_task_that_it_accepted(api: httpx.AsyncClient, world: World) -> None:
    await extend(api, clip(world), replyRef="first")
    world.faults.append(Fault(kind="busy_after", retry_after=3))

    await api.get("/accounts")
    answer = await extend(api, clip(world), replyRef="second")

    body = answer.json()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert (body["error"], body["code"]) == (f"Account {EMAIL} is busy executing 2 tasks", 429)
    assert [(each["taskId"], each["replyRef"]) for each in body["runningTasks"][EMAIL]] == [
        (world.task_id(task), task.reply_ref) for task in world.accepted
    ]
    assert [task.reply_ref for task in world.accepted] == ["first", "second"]


async def test_where_no_account_is_linked_none_is_busy() -> None:
    world = World(seed=2)
    world.faults.append(Fault(kind="busy_after"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(world)), base_url=API) as stranger:
        answer = await extend(stranger, "x")

    assert answer.status_code == 401


async def test_files_and_control_meet_no_faults(api: httpx.AsyncClient, world: World) -> None:
    url = (await api.get(f"/assets/{clip(world)}")).json()["url"]
    world.faults.append(Fault(times=None))

    answers = [await api.get(url), await api.get("http://standin.test/simulator/state")]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_the_application_is_made_without_a_running_loop(world: World) -> None:
    async def send(url: str, body: dict[str, Any]) -> None:
        del url, body

    typed: Send = send

    assert create_app(world, send=typed).routes
