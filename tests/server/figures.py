"""What a server's figures tell, as Prometheus would read them."""

from prometheus_client import generate_latest

from runway_mcp.server.hosted.metrics import Metrics


def figures(metrics: Metrics) -> dict[str, float]:
    """What Prometheus would read, without the moments at which counters were made."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    told = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in told if "_created" not in name}


def of(metrics: Metrics, name: str) -> dict[str, float]:
    """The figures whose name begins so, without that beginning."""
    return {key.removeprefix(name): value for key, value in figures(metrics).items() if key.startswith(name)}
