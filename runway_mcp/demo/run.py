"""The course of the demo: two processes, the calls of a host to the server, a film on disk.

All of it together is bounded in time; the message about a timeout names the step that was under way.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from mcp.client import Client

from runway_mcp.demo.failures import DemoError
from runway_mcp.demo.films import Pair, compare, fetch
from runway_mcp.demo.host import (
    Extended,
    Price,
    extend,
    find_clip,
    find_continuable,
    fresh_link,
    go_on,
    last_frame,
    price,
    read_film_document,
    read_task,
)
from runway_mcp.demo.processes import Log, connected_host, environment, raise_on_termination, stand_in
from runway_mcp.demo.screen import Change, Screen
from runway_mcp.media.fetch.client import Links, open_links

PROMPT = "The camera rises slowly over the dunes."


@dataclass(frozen=True)
class Options:
    """What the demo does: the seconds to add, where its files go, and the pace of a task in seconds.

    `folder` holds what is needed only while the demo runs. With a `model` a clip that has no extension goes on.
    """

    seconds: int
    out: Path
    pace: float
    folder: Path
    model: str | None = None


async def play(options: Options, *, program: Sequence[str], limit: float) -> None:
    """Runs the demo on stdout; raises `DemoError`, alone or in groups, unless it ends well within `limit` seconds."""
    screen = Screen(sys.stdout)
    with anyio.move_on_after(limit) as scope:
        async with anyio.create_task_group() as group:
            if sys.platform != "win32":  # pragma: no branch  no such signal there
                group.start_soon(raise_on_termination)
            await _with_processes(options, screen, program)
            group.cancel_scope.cancel()
    if scope.cancelled_caught:  # pragma: no branch  Python 3.11 stops tracing where a cancelled scope ends
        raise DemoError(f"gave up after {limit:.0f} s while {screen.doing}")


async def _with_processes(options: Options, screen: Screen, program: Sequence[str]) -> None:
    screen.title("useapi-runway-mcp demo", "no token, no network, nothing spent: a stand-in plays useapi.net")
    screen.begin("starting the stand-in")
    log = Log(options.folder / "stand-in.log")
    async with stand_in(program, environment(os.environ), pace=options.pace, log=log) as server:
        screen.done(f"The stand-in for useapi.net listens on {server.url}")
        screen.begin("connecting to the MCP server")
        env = environment(
            os.environ,
            USEAPI_TOKEN=server.token,
            USEAPI_URL=server.url,
            RUNWAY_MCP_DATA_DIR=str(options.folder / "data"),
            RUNWAY_MCP_SAVE="own",
            RUNWAY_MCP_SAVE_DIR=str(options.out.absolute()),
            RUNWAY_MCP_POLL_SECONDS=str(min(0.5, max(0.1, options.pace / 20))),
        )
        async with (
            connected_host(program, env, log=Log(options.folder / "server.log")) as client,
            open_links(allowed_origin=server.url) as links,
        ):
            tools = ", ".join(sorted(tool.name for tool in (await client.list_tools()).tools))
            screen.done(f"The MCP server is connected over stdio (protocol {client.protocol_version}): {tools}")
            course = _extend_clip if options.model is None else _continue_clip
            await course(options, screen, client, links)


async def _extend_clip(options: Options, screen: Screen, client: Client, links: Links) -> None:
    screen.begin("looking for a clip")
    clip = await find_clip(client)
    size = f"{clip.duration_seconds:g} s, {clip.width} x {clip.height}"
    screen.done(f'list_assets found "{clip.name}", {size}, extendable: {clip.extendable}')
    offer = await price(client, clip.asset_id, seconds=options.seconds, text_prompt=PROMPT)
    cost = f"{options.seconds} s more cost about {offer.cost} credits of {offer.balance:,}"
    screen.done(f"extend_video as a dry run: {cost} and leave {offer.extensions_left} more extensions")

    screen.begin("looking at the clip's last frame")
    frame = options.out / "last-frame.jpg"
    frame.write_bytes(await last_frame(client, clip.asset_id))
    screen.done("view_film shows the frame with which the clip ends, where the next words go on")

    screen.begin("extending the clip")
    screen.done(f'extend_video: {options.seconds} s more, "{PROMPT}"')
    made = await extend(client, offer.submit, screen)

    screen.begin("reading the resources")
    await read_task(client, made.task_uri)
    await fresh_link(client, made.video.uri)
    further = await price(client, made.video.asset_id, seconds=options.seconds)
    screen.done("The resources of the task and of its film are read; the link to the film is fresh")

    screen.begin("looking at the films")
    after, strip = Path(made.saved.path), options.out / "strip.png"
    before = await fetch(links, clip.url, options.folder / "before.mp4")
    films = await compare(before, after, strip, seconds=options.seconds)
    screen.done(f"The server kept the film on disk ({made.saved.size_bytes:,} bytes); it is decoded frame by frame")

    screen.changes(_changes(films, offer, further, made))
    screen.detail("task", made.task_uri)
    screen.detail("asset", made.video.uri)
    screen.detail("frame", f"{frame} (the last of the clip)")
    screen.detail("film", str(options.out / after.name))
    screen.detail("strip", f"{strip} (grey: before the seam, orange: after it)")


async def _continue_clip(options: Options, screen: Screen, client: Client, links: Links) -> None:
    screen.begin("looking for a clip")
    clip = await find_continuable(client)
    size = f"{clip.duration_seconds:g} s, {clip.width} x {clip.height}"
    screen.done(f'list_assets found "{clip.name}", {size}, extendable: {clip.extendable}, continuable')
    wishes: dict[str, str | int] = {"model": options.model or "", "seconds": options.seconds, "text_prompt": PROMPT}
    offer = await price(client, clip.asset_id, **wishes)
    cost = f"{options.seconds} s more with {offer.model} cost about {offer.cost} credits of {offer.balance:,}"
    screen.done(f"extend_video as a dry run: {cost}")

    screen.begin("looking at the clip's last frame")
    frame = options.out / "last-frame.jpg"
    frame.write_bytes(await last_frame(client, clip.asset_id))
    screen.done("view_film shows the frame with which the clip ends, from which the model goes on")

    screen.begin("continuing the clip")
    screen.done(f'extend_video: {options.seconds} s more, "{PROMPT}"')
    made = await go_on(client, offer.submit, screen)

    screen.begin("reading the resources")
    await read_film_document(client, made.film.uri)
    further = await price(client, made.film.uri, **wishes)
    screen.done("The resource of the film is read; it could go on as it is")

    screen.begin("looking at the films")
    after, strip = Path(made.saved.path), options.out / "strip.png"
    before = await fetch(links, clip.url, options.folder / "before.mp4")
    films = await compare(before, after, strip, seconds=options.seconds)
    joined = f"Both parts were joined ({made.film.joined}) and proven"
    screen.done(f"{joined}; the film is on disk ({made.saved.size_bytes:,} bytes) and is decoded frame by frame")

    spent = f"{offer.balance - further.balance} spent, {offer.cost} estimated"
    parts = Change(
        "parts", "1", str(len(made.film.parts)), ", ".join(part.model or "upload" for part in made.film.parts)
    )
    screen.changes([*_measures(films), Change("credits", f"{offer.balance:,}", f"{further.balance:,}", spent), parts])
    screen.detail("task", made.task_uri)
    screen.detail("film", made.film.uri)
    screen.detail("frame", f"{frame} (the last of the clip)")
    screen.detail("file", str(options.out / after.name))
    screen.detail("strip", f"{strip} (grey: before the seam, orange: after it)")


def _measures(films: Pair) -> list[Change]:
    """How much longer the film is."""
    before, after = films.before, films.after
    length = f"{before.duration_seconds:.1f} s", f"{after.duration_seconds:.1f} s"
    return [
        Change("duration", *length, f"{films.grown:+.1f} s"),
        Change("frames", str(before.frames), str(after.frames), f"{after.width} x {after.height}"),
    ]


def _changes(films: Pair, offer: Price, further: Price, made: Extended) -> list[Change]:
    """What the extension changed, credits included."""
    spent = f"{offer.balance - further.balance} spent, {offer.cost} estimated"
    left = f"{offer.extensions_left} more possible"
    return [
        *_measures(films),
        Change("credits", f"{offer.balance:,}", f"{further.balance:,}", spent),
        Change("extensions", "0", str(made.extended_count), left),
    ]
