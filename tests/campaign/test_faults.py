from pathlib import Path

import pytest

from tests.campaign.faults import FAULTS, PACKAGE, ROOT, Fault, planted


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_each_old_text_stands_once_in_the_program(fault: Fault) -> None:
    for change in fault.changes:
        text = (ROOT / PACKAGE / change.file).read_text(encoding="utf-8")
        assert text.count(change.old) == 1, f"{change.file}: {change.old}"
        assert change.new != change.old


def test_a_fault_is_put_into_a_copy_alone(tmp_path: Path) -> None:
    fault = next(iter(FAULTS.values()))
    change = fault.changes[0]

    planted(fault, tmp_path)

    assert change.new in (tmp_path / PACKAGE / change.file).read_text(encoding="utf-8")
    assert change.old in (ROOT / PACKAGE / change.file).read_text(encoding="utf-8")
