"""What `install --print` names is what `install` writes."""

import pytest

from runway_mcp.install.launcher import Launcher, uvx_launcher
from tests.install.machines import SECRET, UVX, Desk, tree

CHECKOUT = uvx_launcher(UVX, "useapi-runway-mcp[media] @ file:///src")
RELEASE = uvx_launcher(UVX)


@pytest.mark.parametrize("cached", [[], [RELEASE], [CHECKOUT], [RELEASE, CHECKOUT]], ids=str)
@pytest.mark.parametrize("is_released", [True, False])
def test_print_names_the_requirement_that_is_written_then(
    cached: list[Launcher], is_released: bool, desk: Desk
) -> None:
    desk.launchers = [RELEASE, CHECKOUT]
    desk.cached = {launcher.args[1] for launcher in cached}
    desk.environ["USEAPI_TOKEN"] = SECRET
    if not is_released:
        desk.unavailable, desk.is_absent = {RELEASE.args[1]}, True
    desk.home.mkdir()

    printed, before = desk.install("cursor", print_only=True), tree(desk.home)
    fetched = [*desk.fetched]
    installed = desk.install("cursor")

    assert (before, fetched) == ({}, [])
    told = [[line for line in said.splitlines() if line.startswith("  ")] for said in (printed, installed)]
    assert told[0] == told[1]


def test_without_a_network_print_names_the_release(desk: Desk) -> None:
    desk.launchers = [RELEASE, CHECKOUT]
    desk.unavailable = {RELEASE.args[1], CHECKOUT.args[1]}

    assert RELEASE.args[1] in desk.install("cursor", print_only=True)
