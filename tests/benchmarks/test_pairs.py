import json
import sys
from pathlib import Path

import pytest

from benchmarks.calls import Figures, Spent, Wire, rows
from benchmarks.pairs import PAGE, Bound, Row, section, table, written
from benchmarks.startup import Figures as Starts
from benchmarks.startup import Seconds, Side, bounds
from benchmarks.startup import rows as start_rows
from benchmarks.talking import ERAS, Era, Pipes, Used, running, used
from tests.kit.processes import server_environment


@pytest.mark.parametrize(
    ("ours", "holds"), [([1.1, 1.2, 1.3], True), ([1.2, 1.2, 1.2], False), ([1.0, 2.0, 2.0], True)]
)
def test_a_measure_holds_by_the_lower_ratio_of_medians_and_of_lowest(ours: list[float], *, holds: bool) -> None:
    assert Row("calls", "ms", ours, [1.0, 1.0, 1.0], most=1.15).holds is holds


def test_a_table_tells_both_sides_both_ratios_and_what_does_not_hold() -> None:
    row, bound = Row("calls", "ms", [2.0, 4.0], [1.0, 1.0], most=1.5), Bound("help", "ms", 90.0, 100.0)
    told = list(table([row], [bound, Bound("wall", "ms", 95.0)]))

    assert told[2] == "| calls | 3.00 ms | 1.00 ms | 3.00 | 2.00 | 1.50 | NO |"
    assert told[3] == "| help | 90 ms | | | | 100 ms | yes |"
    assert told[4] == "| wall | 95 ms | | | |  |  |"


def test_every_start_and_call_that_was_promised_is_judged() -> None:
    spent = Spent([1.0], [1.0])
    wires: tuple[Wire, ...] = ("stdio", "HTTP")
    kinds: list[tuple[Wire, Era, str]] = [
        (wire, era, kind) for wire in wires for era in ERAS for kind in ("from memory", "refused")
    ]
    calls = Figures(dict.fromkeys(kinds, spent), dict.fromkeys(kinds, spent))
    side = Side([1.0], [Used(1.0, 1.0, 1, 1)], [Used(1.0, 1.0, 1, 1)])
    more = [Seconds(0.1, 0.1)]
    starts = Starts(dict.fromkeys(ERAS, side), dict.fromkeys(ERAS, side), more, more)

    assert sorted(row.most for row in rows(calls) if row.most) == [1.25] * 4 + [1.3] * 2 + [1.5] * 2
    assert sorted(row.most for row in start_rows(starts) if row.most) == [1.1] * 2 + [1.12] * 2
    assert [bound.most for bound in bounds(starts)] == [150.0, None, 100.0, None]


@pytest.mark.parametrize("name", ["startup", "calls"])
def test_the_page_has_one_place_for_each_table(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = section(name, f"{name} --write", table([]))

    assert written(written(page, name, told), name, told) == written(page, name, told)
    assert told in written(page, name, told)


@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("which", ["ours", "bare"])
def test_both_servers_list_their_tools_to_a_host_of_either_era(which: str, era: Era, tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    tool = {"name": "echo", "inputSchema": {"type": "object"}}
    answers.write_text(json.dumps({"tools": [tool], "results": {}}), encoding="utf-8")
    ours = [sys.executable, "-m", "runway_mcp"]
    command = ours if which == "ours" else [sys.executable, "-m", "benchmarks.bare", "stdio", str(answers)]
    with running(command, server_environment("http://127.0.0.1:9/", tmp_path)) as process:
        host = Pipes(process, era)
        host.open()
        tools = host.ask("tools/list", {})["tools"]

        assert len(tools) == (4 if which == "ours" else 1)
        assert used(process.pid).cpu > 0
