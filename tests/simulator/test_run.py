"""The stand-in as a program: it says where it listens, and ends well."""

import importlib
import io
import json
import pkgutil
import signal
import subprocess
import sys
import time
import urllib.request

import anyio
import httpx
import pytest

import runway_mcp.simulator
from runway_mcp.simulator.builders import EMAIL, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running, simulate

LIMIT = 60.0
PROGRAM = "import asyncio; from runway_mcp.simulator.run import simulate; asyncio.run(simulate(pace=1))"


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_the_program_prints_one_line_when_it_listens_and_exits_0_when_told(told: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        line = json.loads(program.stdout.readline())
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{line['url']}/features/?email={EMAIL}", headers={"Authorization": f"Bearer {line['token']}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT) as answer:
            body = json.load(answer)
        program.send_signal(told)
        rest, _ = program.communicate(timeout=LIMIT)

    assert line["url"].startswith("http://127.0.0.1:")
    assert line["url"].endswith("/v1/runwayml")
    assert body["permitted"]["numPlanCredits"] == 2250
    assert (rest, program.returncode) == ("", 0)


class Paper(io.StringIO):
    """Takes the line and says when it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = anyio.Event()

    def flush(self) -> None:
        self.flushed.set()


async def test_simulate_serves_a_given_world_until_a_signal() -> None:
    world, paper = small_world(), Paper()
    before = signal.getsignal(signal.SIGTERM)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: simulate(world=world, out=paper))
            await paper.flushed.wait()
            async with httpx.AsyncClient() as client:
                await client.get(f"{world.origin}/v1/runwayml/accounts")
            signal.raise_signal(signal.SIGTERM)

    assert json.loads(paper.getvalue()) == {"url": f"{world.origin}/v1/runwayml", "token": world.token}
    assert world.requests["GET /accounts"] == 1
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("on", [True, False])
async def test_an_answer_over_a_socket_has_the_world_s_date_and_no_other(on: bool) -> None:
    world = small_world(wall=lambda: 0.0, clock=lambda: 60.0)
    world.switch(date_header=on)
    world.faults.append(Fault(headers={"Date": "Fri, 02 Jan 1970 00:00:00 GMT"}))

    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient(base_url=url) as client:
            scripted, usual = [await client.get("/accounts") for _ in range(2)]

    assert scripted.headers.get_list("date") == ["Fri, 02 Jan 1970 00:00:00 GMT"]
    assert usual.headers.get_list("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"] * on


async def test_what_is_raised_while_it_runs_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError):
        async with running(small_world()):
            raise LookupError


async def test_a_taken_port_is_told_at_once() -> None:
    async with running(small_world()) as url:
        with pytest.raises(OSError, match="in use"):
            async with running(small_world(), port=int(url.split(":")[2].split("/")[0])):
                pass


def test_the_simulator_imports_without_its_extra_and_shares_nothing_with_what_it_tests() -> None:
    names = [module.name for module in pkgutil.walk_packages(runway_mcp.simulator.__path__, "runway_mcp.simulator.")]
    program = (
        f"import sys\nsys.modules['av'] = sys.modules['PIL'] = None\nfor name in {names!r}: __import__(name)\n"
        "strangers = {name for name in sys.modules if name.partition('.')[0] in ('mcp', 'httpx')"
        " or name.startswith('runway_mcp.') and not name.startswith('runway_mcp.simulator')}\n"
        "print(sorted(strangers))"
    )

    told = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT, check=True
    )

    assert importlib.import_module(names[0])
    assert told.stdout == "[]\n"


async def test_a_world_is_made_and_read_in_no_time() -> None:
    started = time.process_time()
    for _ in range(200):
        small_world()
    each = (time.process_time() - started) / 200

    assert each < 0.01
