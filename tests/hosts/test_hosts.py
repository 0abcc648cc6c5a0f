import re

import pytest

from runway_mcp.install.launcher import RELEASE
from tests.hosts.clients import CLIENTS, Client
from tests.hosts.driving import STEPS, Row, Told
from tests.hosts.environments import DRIVERS
from tests.hosts.table import markdown
from tests.kit.processes import ROOT

OK = Told(ok=True, saw="")


def a_client(**excused: str) -> Client:
    return Client("a-client", "A client", "python", ("a-client==1.2.3",), ("stdio", "http"), excused)


def told(**steps: Told) -> dict[str, Told]:
    return {step: steps.get(step, OK) for step in STEPS}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_has_a_driver_and_exact_versions(client: Client) -> None:
    assert (DRIVERS / client.driver).exists()
    assert all(re.fullmatch(r"[@\w./\[\]-]+(==|@)\d[\w.-]*", pin) for pin in client.pins)


def test_every_driver_has_a_client() -> None:
    assert {path.name for path in DRIVERS.glob("with_*")} == {client.driver for client in CLIENTS}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_page_about_hosts_tells_of_the_version_that_is_run(client: Client) -> None:
    page = (ROOT / "docs/hosts.md").read_text(encoding="utf-8")

    assert f"| {client.title} | {client.version} |" in page


def test_the_clients_that_broke_once_run_with_every_change() -> None:
    assert "scripts/hosts --only langchain crewai vercel-ai\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_line_for_claude_code_names_the_server_before_the_option_that_takes_every_word_after_it() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")

    settings = "claude mcp add --transport stdio runway --env USEAPI_TOKEN=user:1234-..."
    program = f'uvx --from "{RELEASE}" useapi-runway-mcp'
    assert re.findall(r"^claude mcp add .*", page, re.MULTILINE) == [f"{settings} -- {program}"]


def test_a_step_that_fails_is_a_fault_unless_it_is_not_ours() -> None:
    failed = Told(ok=False, saw="no price")
    row = Row(a_client(), {"stdio": told(price=failed), "http": told()})
    excused = Row(a_client(price="its own fault"), {"stdio": told(price=failed), "http": told()})
    elsewhere = Row(a_client(**{"http price": "its own fault"}), {"stdio": told(price=failed), "http": told()})

    assert row.faults() == elsewhere.faults() == ["a-client over stdio fails at price: no price"]
    assert excused.faults() == []


def test_failures_that_follow_from_the_first_are_named_beside_it() -> None:
    row = Row(a_client(), {"stdio": told(list=Told(ok=False, saw="no\nclip"), price=Told(ok=False, saw="no clip"))})

    assert row.faults() == ["a-client over stdio fails at list (and at price): no clip"]


def test_what_a_client_cannot_do_is_no_fault_and_is_said_in_the_table() -> None:
    row = Row(a_client(), {"stdio": told(read=Told(ok=None, saw="it cannot read"))})

    assert row.faults() == []
    assert "| ok | - | ok | it cannot read |" in markdown([row])


def test_a_second_charge_is_a_fault_whatever_else_went_well() -> None:
    row = Row(a_client(), {"stdio": told()}, fault="1 extensions were told, and 2 were charged")

    assert row.faults() == ["a-client: 1 extensions were told, and 2 were charged"]


def test_the_table_says_which_client_only_a_second_attempt_connected() -> None:
    second = Row(a_client(), {"stdio": told(list=Told(ok=True, saw="", again=True))})
    neither = Row(a_client(), {"stdio": told(list=Told(ok=False, saw="no server", again=True))})

    assert "| it connected at the second attempt |" in markdown([second])
    assert "attempt" not in markdown([neither])
    assert neither.faults() == ["a-client over stdio fails at list: no server"]


def test_transports_share_a_line_where_they_went_alike() -> None:
    alike = markdown([Row(a_client(), {"stdio": told(), "http": told()})])
    apart = markdown([Row(a_client(), {"stdio": told(extend=Told(ok=True, saw="", cut=1)), "http": told()})])

    assert "| A client | 1.2.3 | stdio, http | ok |" in alike
    assert len(apart.splitlines()) == len(alike.splitlines()) + 1
