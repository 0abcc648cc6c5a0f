"""Pesters a real server on stdio, in both eras, and on HTTP: `python -m tests.fuzz --requests 10000 --seed 1`.

`--requests` is how many bad requests each transport gets. Exits with 1 if anything happened that must not;
`--markdown` writes the table for `docs/reliability.md` to stdout instead of the full account.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio

from tests.fuzz import http, stdio
from tests.fuzz.figures import Figures, markdown, told
from tests.fuzz.messages import ERAS, Era, Known, Messages
from tests.kit.processes import http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in

AT_ONCE = 2
FOR_EVER = 1e9
WAIT_SECONDS = 20


def on_stdio(requests: int, seed: int, era: Era) -> Figures:
    """A server on stdio under so many bad requests of one era."""
    with open_stand_in(pace=1) as upstream, TemporaryDirectory() as folder:
        figures = anyio.run(
            partial(
                stdio.pestered,
                era,
                Messages(Random(seed), era, _known(upstream)),  # noqa: S311 - a fuzz must be repeatable
                requests,
                _settings(upstream, folder),
                secrets=(upstream.token,),
            )
        )
        figures.close(submits=upstream.submits())
    return figures


def on_http(requests: int, seed: int) -> Figures:
    """A server on HTTP, with the older transport beside it, under so many bad requests of both eras."""
    with (
        open_stand_in(pace=1) as upstream,
        TemporaryDirectory() as folder,
        http_server_process(serve_command("sse"), _settings(upstream, folder)) as served,
    ):
        secrets = (upstream.token,)
        figures = anyio.run(partial(http.pestered, served, requests, seed, _known(upstream), secrets=secrets))
        figures.close(submits=upstream.submits())
    return figures


def _known(upstream: StandIn) -> Known:
    return Known(upstream.clip(), upstream.add_task(queue=0, duration=FOR_EVER))


def _settings(upstream: StandIn, folder: str) -> dict[str, str]:
    return server_environment(upstream.url, Path(folder), RUNWAY_MCP_WAIT_SECONDS=str(WAIT_SECONDS))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs everything, two servers at a time, and tells the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args(argv)
    halves = (asked.requests - asked.requests // 2, asked.requests // 2)
    with ProcessPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(on_http, asked.requests, asked.seed)]
        runs += [pool.submit(on_stdio, half, asked.seed, era) for half, era in zip(halves, ERAS, strict=True)]
        figures = [run.result() for run in (*runs[1:], runs[0])]
    if asked.markdown:
        sys.stdout.write(markdown(figures, requests=asked.requests, seed=asked.seed) + "\n")
    else:
        sys.stdout.write("\n".join(told(each) for each in figures) + "\n")
    return int(any(each.faults for each in figures))


if __name__ == "__main__":
    sys.exit(main())
