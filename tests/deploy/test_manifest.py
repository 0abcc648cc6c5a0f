"""The example of Kubernetes, held to the image and to the settings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from runway_mcp import __version__
from runway_mcp.server.transport.security import HEALTH, READY, refusal_to_listen
from runway_mcp.settings import Settings, variables
from scripts.containerfile import Statement, statements

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "manifest.yaml").read_text(encoding="utf-8")
IMAGE: dict[str, Statement] = {
    each.word: each for each in statements((ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8"))
}


def documents() -> dict[str, Any]:
    """The documents by their kind."""
    read = cast("Iterator[Mapping[str, Any]]", YAML(typ="safe").load_all(TEXT))  # pyright: ignore[reportUnknownMemberType]  untyped there
    return {each["kind"]: each for each in read}


DOCUMENTS = documents()
POD: Any = DOCUMENTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER: Any = POD["containers"][0]
PORT = CONTAINER["ports"][0]


def test_there_are_two_replicas_one_way_in_and_one_that_always_stays() -> None:
    labels = DOCUMENTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert list(DOCUMENTS) == ["Deployment", "Service", "PodDisruptionBudget"]
    assert DOCUMENTS["Deployment"]["spec"]["replicas"] == 2
    assert DOCUMENTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert DOCUMENTS["Service"]["spec"]["selector"] == labels
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["minAvailable"] == 1


def test_every_variable_is_a_setting_and_every_value_can_be_used(tmp_path: Path) -> None:
    environ = {each["name"]: each.get("value", "") for each in CONTAINER["env"]}
    assert set(environ) <= {variable.name for variable in variables().values()}
    for name in ("RUNWAY_MCP_CALLERS", "RUNWAY_MCP_STATE_KEYS"):
        mounted = tmp_path / Path(environ[name]).name
        mounted.write_text("k" * 32, encoding="ascii")
        environ[name] = str(mounted)
    settings = Settings.from_environment(environ)
    everywhere = json.loads(IMAGE["ENTRYPOINT"].rest)[5]
    assert (
        refusal_to_listen(everywhere, access_token=None, allowed_hosts=settings.allowed_hosts, knows_callers=True)
        is None
    )


def test_every_secret_comes_from_the_secret() -> None:
    secret = {variable.name for variable in variables().values() if variable.secret}
    for each in CONTAINER["env"]:
        if each["name"] in secret and "value" in each:
            assert each["value"].startswith("/etc/useapi-runway-mcp/")
    (files,) = [volume["secret"] for volume in POD["volumes"] if "secret" in volume]
    keys = {item["key"] for item in files["items"]} | {
        each["valueFrom"]["secretKeyRef"]["key"] for each in CONTAINER["env"] if "valueFrom" in each
    }
    assert keys == {"useapi-token", "database-url", "state-keys", "callers.toml"}
    assert all(f"--from-file={key}" in TEXT for key in keys)


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", HEALTH), ("livenessProbe", HEALTH), ("readinessProbe", READY)]
)
def test_every_probe_asks_a_path_that_answers_at_the_port_that_is_named(probe: str, path: str) -> None:
    assert CONTAINER[probe]["httpGet"] == {"path": path, "port": PORT["name"]}


def test_the_port_is_that_of_the_image_and_of_its_program() -> None:
    entry = json.loads(IMAGE["ENTRYPOINT"].rest)
    assert PORT["containerPort"] == int(IMAGE["EXPOSE"].rest) == int(entry[entry.index("--port") + 1])
    assert DOCUMENTS["Service"]["spec"]["ports"][0]["targetPort"] == PORT["name"]


def test_it_runs_as_the_user_of_the_image_and_may_write_to_volumes_alone() -> None:
    user, group = map(int, IMAGE["USER"].rest.split(":"))
    assert POD["securityContext"]["runAsUser"] == user
    assert POD["securityContext"]["runAsGroup"] == POD["securityContext"]["fsGroup"] == group
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    writable = {mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert set(json.loads(IMAGE["VOLUME"].rest)) <= writable


def test_the_image_is_of_this_release() -> None:
    assert CONTAINER["image"].endswith(f":{__version__}")
