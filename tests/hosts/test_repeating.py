from tests.hosts.clients import Client
from tests.hosts.driving import Told
from tests.hosts.repeating import Attempts

CLIENT = Client("a-client", "A client", "node", ("a-client@1.2.3",), ("stdio",))
FAST = {"list": Told(ok=True, saw="", at=1.0), "read": Told(ok=None, saw="it cannot read")}
SLOW = {"list": Told(ok=True, saw="", at=3.0), "read": Told(ok=False, saw="no\nresource")}
NEVER = {"list": Told(ok=False, saw="no server"), "read": Told(ok=False, saw="no server")}


def test_the_line_of_a_client_counts_first_attempts_and_tells_how_long_the_list_took() -> None:
    line = Attempts(CLIENT, "by `uvx`", [FAST, SLOW, NEVER]).line()

    assert line == "| A client | 1.2.3 | by `uvx` | 2 of 3 | 1 of 3 | 2.0 s | 3.0 s |"


def test_a_client_that_never_connects_has_no_times() -> None:
    assert Attempts(CLIENT, "installed", [NEVER]).line().endswith("| 0 of 1 | 0 of 1 |  |  |")


def test_each_attempt_that_failed_is_named_with_its_first_step() -> None:
    assert list(Attempts(CLIENT, "installed", [FAST, SLOW, NEVER]).faults()) == [
        "FAILED  a-client, installed, attempt 2, at read: no resource",
        "FAILED  a-client, installed, attempt 3, at list: no server",
    ]
