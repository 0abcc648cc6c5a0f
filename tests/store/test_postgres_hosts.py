import pytest
from psycopg.conninfo import conninfo_to_dict

from runway_mcp.tasks.store.postgres.hosts import beginning_with


@pytest.mark.parametrize(
    ("given", "host", "port", "turned"),
    [
        ("host=a,b,c port=1,2,3", "b", 2, {"host": "b,c,a", "port": "2,3,1"}),
        ("host=a,b", "b", 5432, {"host": "b,a"}),
        ("host=a,b port=7", "b", 7, {"host": "b,a", "port": "7,7"}),
        ("host=a,b port=,7", "b", 7, {"host": "b,a", "port": "7,"}),
        ("host=a,a port=1,2", "a", 2, {"host": "a,a", "port": "2,1"}),
        ("host=a,b hostaddr=10.0.0.1,10.0.0.2", "b", 5432, {"host": "b,a", "hostaddr": "10.0.0.2,10.0.0.1"}),
        ("hostaddr=10.0.0.1,10.0.0.2", "10.0.0.2", 5432, {"hostaddr": "10.0.0.2,10.0.0.1"}),
        ("host=a,b port=1,2", "b", 1, {"host": "a,b", "port": "1,2"}),
        ("host=a", "a", 5432, {"host": "a"}),
        ("dbname=films", "/run/postgresql", 5432, {"dbname": "films"}),
    ],
)
def test_the_host_that_answered_is_asked_first_and_the_others_after_it(
    given: str, host: str, port: int, turned: dict[str, str]
) -> None:
    assert conninfo_to_dict(beginning_with(given, host=host, port=port)) == turned
