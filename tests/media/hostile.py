"""Downloads from hosts that misbehave in drawn ways, and what must be true after each of them.

    python -m tests.media.hostile --downloads 10000 --seed 2

The same seed draws the same downloads. Prints what came of them, or the first thing that must not be.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import anyio

from runway_mcp.media.errors import MediaError
from runway_mcp.media.fetch.addresses import is_public
from runway_mcp.media.fetch.client import Limits, Links
from runway_mcp.media.files.folder import RESERVE_BYTES
from runway_mcp.media.files.keeping import keep
from runway_mcp.media.files.names import film_name
from runway_mcp.media.files.parts import part_name
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.media.boxes import film
from tests.media.hosts import PUBLIC, Network, at_once, opened_links

AT_ONCE = 8
LARGEST = 400_000
LIMITS = Limits(connect_seconds=2.0, silence_seconds=0.15, whole_seconds=3.0, most_bytes=LARGEST)
PATIENT = replace(LIMITS, connect_seconds=30.0, silence_seconds=30.0, whole_seconds=60.0)
"""For what has to succeed, on a machine that is busy with something else."""

ROOM = 10**12

_PRIVATE = ("10.0.0.5", "127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "::ffff:10.0.0.1", "fe80::1%lo")
_PLACES = (
    "",
    "https://private.example/f.mp4",
    "https://rebound.example/f.mp4",
    "https://public.example/f.mp4",
    "https://10.0.0.5/f.mp4",
    "https://[::1]/f.mp4",
    "http://127.0.0.1:1/f.mp4",
    "https://127.0.0.1:1/f.mp4",
    "http://private.example/f.mp4",
    "file:///etc/passwd",
    "https://a b/",
)
_LABELS = (
    "beach at dusk",
    "../../outside",
    "CON",
    "",
    "Ä" * 200,
    "a\x00b\nc",
    "Beach At Dusk",
    "..\\outside",
    "/etc/x",
)


@dataclass
class Tally:
    """What came of the downloads: how many ended how, and how many of the parts that stayed went on to the end."""

    ends: Counter[str] = field(default_factory=Counter[str])
    resumed: int = 0


@dataclass(frozen=True)
class Download:
    """One drawn download: a film, the rules of its host, what lies in its way, and the room on the disk."""

    content: bytes
    rules: tuple[LinkFault, ...]
    label: str
    in_the_way: str
    free: int
    fresh: bool


def drawn(rng: Random) -> Download:
    """The next download of this source of chance."""
    size = rng.randrange(200, LARGEST)
    return Download(
        content=film(size, seed=rng.randrange(1000)) if rng.random() < 0.95 else rng.randbytes(size),
        rules=tuple(_rule(rng, size) for _ in range(rng.randrange(5))),
        label=rng.choice(_LABELS),
        in_the_way=rng.choice(("part", "note", "name")) if rng.random() < 0.06 else "",
        free=rng.choice((RESERVE_BYTES - 1, RESERVE_BYTES + size // 2)) if rng.random() < 0.04 else ROOM,
        fresh=rng.random() < 0.7,
    )


def _rule(rng: Random, size: int) -> LinkFault:
    somewhere = rng.choice((0, 5, rng.randrange(size), size - 1, size))
    kinds: tuple[Callable[[], LinkFault], ...] = (
        lambda: LinkFault("slow", after_bytes=rng.choice((1, size // 20 + 1)), seconds=0.005),
        lambda: LinkFault("stall", after_bytes=somewhere),
        lambda: LinkFault("cut", after_bytes=somewhere),
        lambda: LinkFault("cut", after_bytes=somewhere),
        lambda: LinkFault("wrong_length", length=rng.choice((0, somewhere, size + 1, LARGEST + 1))),
        lambda: LinkFault("wrong_range"),
        lambda: LinkFault("endless"),
        lambda: LinkFault("wrong_type", content_type=rng.choice(("text/html", "video/mp4", "image/png"))),
        lambda: LinkFault("redirect", location=rng.choice(_PLACES)),
        lambda: LinkFault("no_ranges"),
        lambda: LinkFault("etag", etag=rng.choice(("", 'W/"1"', '"other"'))),
        lambda: LinkFault("changed"),
        lambda: LinkFault("dead", status=rng.choice((401, 403, 404, 410))),
        lambda: LinkFault("status", status=rng.choice((204, 400, 416, 429, 500, 503))),
    )
    return replace(rng.choice(kinds)(), times=rng.choice((1, 1, 1, 2, 5)))


class Campaign:
    """Downloads into one folder, which has a secret beside it that links in the way lead to."""

    def __init__(self, world: World, links: Links, patient: Links, network: Network, root: Path) -> None:
        self.tally = Tally()
        self._world = world
        self._links = links
        self._patient = patient
        self._network = network
        self._root = root
        self._port = int(world.origin.rpartition(":")[2])
        self.folder = root / "films"
        self.folder.mkdir()
        self._secret = root / "secret"
        self._secret.write_text("mine")

    async def play(self, download: Download) -> None:
        """Plays one download, judges it, and lets the part that stayed go on over a sound link."""
        asset = self._served(download)
        key = asset.uuid
        name = film_name(download.label, key)
        blocked = self._block(download, key, name)
        whole = _versions(download.content)
        path = await self._kept(self._links, download, asset, name)
        self._judge(path, whole)
        rules = self._world.link_faults
        rules[:] = [rule for rule in rules if rule.name_prefix != key]
        for each in blocked:
            assert each.is_symlink(), f"{each.name} was replaced"
            each.unlink()
        part = self.folder / part_name(key)
        assert not part.exists() or path is None, "a part stayed beside its film"
        if part.exists():
            assert part.stat().st_size, "an empty part stayed"
            sound = replace(download, free=ROOM, fresh=True, rules=())
            path = await self._kept(self._patient, sound, asset, name)
            self._judge(path, whole)
            assert path is not None or not part.exists(), "a part stayed that cannot go on"
            self.tally.resumed += 1
        assert not part.exists(), "a part stayed"
        assert not part.with_name(f"{part.name}.json").exists(), "a note stayed"
        self._world.assets.remove(asset)

    def check_all(self) -> None:
        """Nothing but films lies in the folder, nothing new beside it, and no refused address was dialled."""
        assert sorted(each.name for each in self._root.iterdir()) == ["films", "secret"]
        assert self._secret.read_text() == "mine"
        assert all(each.suffix == ".mp4" for each in self.folder.iterdir())
        strange = {each for each in self._network.dialled if not is_public(each)} - {"127.0.0.1"}
        assert not strange, f"{strange} was dialled"
        assert self._network.ports <= {self._port, 443}, "a port of this machine was dialled"

    async def _kept(self, links: Links, download: Download, asset: Asset, name: str) -> Path | None:
        async def fresh_link() -> str:
            return self._link(asset)

        fresh = fresh_link if download.fresh else None
        free = download.free
        try:
            kept = await keep(
                links,
                self._link(asset),
                self.folder,
                key=asset.uuid,
                name=name,
                fresh_link=fresh,
                free=lambda _: free,
                pause=at_once,
            )
        except MediaError as error:
            failure = error
        else:
            self.tally.ends["kept"] += 1
            return kept.path
        assert "_jwt" not in str(failure), "an error tells the link"
        assert "127.0.0.1" not in str(failure), "an error tells the host"
        self.tally.ends[type(failure).__name__] += 1
        return None

    def _served(self, download: Download) -> Asset:
        world = self._world
        asset = Asset(
            uuid=world.new_uuid(), email="director@example.com", name="film", created=0.0, content=download.content
        )
        world.add_asset(asset)
        world.link_faults += [replace(rule, name_prefix=asset.uuid) for rule in download.rules]
        return asset

    def _link(self, asset: Asset) -> str:
        token = self._world.signer.sign(asset.uuid, self._world.wall_at(self._world.now()) + 1000)
        return f"{self._world.origin}/files/{asset.uuid}.mp4?_jwt={token}"

    def _block(self, download: Download, key: str, name: str) -> list[Path]:
        names = {"part": part_name(key), "note": f"{part_name(key)}.json", "name": name}
        if not download.in_the_way or (self.folder / names[download.in_the_way]).exists():
            return []
        link = self.folder / names[download.in_the_way]
        link.symlink_to(self._secret)
        return [link]

    def _judge(self, path: Path | None, whole: set[bytes]) -> None:
        if path is not None:
            assert path.parent == self.folder, "a film was kept outside the folder"
            assert not path.is_symlink(), "a film was kept through a link"
            assert path.read_bytes() in whole, "a film is not whole"


def _versions(content: bytes) -> set[bytes]:
    """The film, and the other one that the stand-in serves as changed."""
    return {content, content[:-1] + bytes([content[-1] ^ 0xFF])}


async def campaign(downloads: int, seed: int, root: Path) -> Tally:
    """Plays so many downloads, a few at once; raises AssertionError for what must not be."""
    rng = Random(seed)  # noqa: S311  repeats from run to run
    network = Network(
        {
            "private.example": [[each] for each in _PRIVATE] * downloads,
            "rebound.example": [[PUBLIC], ["10.0.0.5"]] * downloads,
            "public.example": [[PUBLIC]],
        }
    )
    world = small_world(clips=0)
    async with (
        running(world),
        opened_links(world.origin, network, LIMITS) as links,
        opened_links(world.origin, network, PATIENT) as patient,
    ):
        played = Campaign(world, links, patient, network, root)
        waiting = [drawn(rng) for _ in range(min(downloads, AT_ONCE))]
        left = downloads - len(waiting)

        async def play() -> None:
            nonlocal left
            while waiting:
                await played.play(waiting.pop())
                if left:
                    left -= 1
                    waiting.append(drawn(rng))

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(play)
        played.check_all()
    return played.tally


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.media.hostile")
    parser.add_argument("--downloads", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ends = anyio.run(partial(campaign, arguments.downloads, arguments.seed, Path(folder)))
    sys.stdout.write(f"{dict(ends.ends.most_common())}, {ends.resumed} parts went on\n")
