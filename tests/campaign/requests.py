"""What makes two calls, or two POSTs, the same request: the judge's own definition, from the contract's section 2.6.

The source, the prompt (trimmed, NFC), the effective seconds, the model, exploreMode, and the seed as given. A given
seed that is one which the program had made for an otherwise same request counts as not given.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.campaign.facts import Asked, Facts, Post, Source

# What counts as the same instant, in seconds.
_INSTANT = 1e-6


class Base(NamedTuple):
    """A request without its seed."""

    source: str
    prompt: str
    seconds: int
    model: str
    explore: bool


class Key(NamedTuple):
    """A request; a seed that the program chose is None."""

    base: Base
    seed: int | None


class Requests:
    """The requests of a run: of its calls and of its POSTs."""

    def __init__(self, facts: Facts) -> None:
        self._sources = facts.sources
        self._bases = {asked.number: self._asked_base(asked) for asked in facts.asked}
        self._made = self._made_seeds(facts)
        self.of_post = {post.number: self._post_key(post) for post in facts.posts}
        self.of_asked = {asked.number: self._asked_key(asked) for asked in facts.asked}

    def _asked_base(self, asked: Asked) -> Base | None:
        """The request of a call without its seed; None for one that names no film that can be extended."""
        source = self._sources.get(asked.source or "")
        if asked.tool != "extend_video" or source is None:
            return None
        return base_of(source, asked.arguments)

    def _asked_key(self, asked: Asked) -> Key | None:
        base = self._bases[asked.number]
        return None if base is None else self._key(base, asked.arguments.get("seed"))

    def _post_base(self, post: Post) -> Base:
        model = "gen3a_turbo" if "turbo" in post.path else "gen3a"
        return base_of(Source(post.body["assetId"], model), post.body)

    def _post_key(self, post: Post) -> Key:
        return self._key(self._post_base(post), post.body.get("seed"))

    def _key(self, base: Base, seed: int | None) -> Key:
        return Key(base, None if seed in self._made[base] else seed)

    def _made_seeds(self, facts: Facts) -> dict[Base, set[int | None]]:
        """The seeds that the program made: those it sent, or told of, before a host ever gave them."""
        given: dict[tuple[Base, int], float] = {}
        for asked in facts.asked:
            base, seed = self._bases[asked.number], asked.arguments.get("seed")
            if base is not None and seed is not None:
                given[base, seed] = min(asked.began, given.get((base, seed), asked.began))
        first: dict[tuple[Base, int], float] = {}
        for base, seed, at in self._sent_or_told(facts):
            first[base, seed] = min(at, first.get((base, seed), at))
        made: dict[Base, set[int | None]] = defaultdict(lambda: {None})
        for (base, seed), at in first.items():
            if at < given.get((base, seed), float("inf")):
                made[base].add(seed)
        return made

    def _sent_or_told(self, facts: Facts) -> Iterator[tuple[Base, int, float]]:
        """The seeds that the program sent, and those that it told of without having been given one, with when."""
        for post in facts.posts:
            seed = post.body.get("seed")
            if post.departed is not None and seed is not None:
                yield self._post_base(post), seed, post.departed
        for asked in facts.asked:
            base, seed = self._bases[asked.number], (asked.content or {}).get("seed")
            if base is not None and seed is not None and asked.arguments.get("seed") is None:
                # On virtual time the next call may give it back in the same instant.
                yield base, seed, (asked.ended or asked.began) - _INSTANT


def base_of(source: Source, arguments: dict[str, Any]) -> Base:
    """The request of a call's arguments or of a POST's body."""
    prompt = unicodedata.normalize("NFC", str(arguments.get("text_prompt") or "")).strip()
    seconds = 8 if source.model == "gen3a_turbo" else int(arguments.get("seconds") or 5)
    return Base(source.asset_id, prompt, seconds, source.model, bool(arguments.get("exploreMode")))


def price(base: Base) -> int:
    """What upstream charges for a request, in credits: ten a second, five with Turbo, none in explore mode."""
    if base.explore:
        return 0
    return base.seconds * (5 if base.model == "gen3a_turbo" else 10)
