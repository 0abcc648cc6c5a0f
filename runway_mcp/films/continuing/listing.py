"""Films of a caller as they are listed and searched: their names, the words of their chains, their parts. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from runway_mcp.films.continuing.steps import FilmPart, FrameMade, JoinMade, parts_of
from runway_mcp.tasks.intents import Intent, uuid_of
from runway_mcp.tasks.naming import film_label
from runway_mcp.tasks.searching import FoundBy, Matched, has_words


@dataclass(frozen=True)
class JoinedFilm:
    """A joined film of a list; `seconds` is its length, `parts` how many it has, `made` when its last part was there.

    `text_prompt` is that of its last part, `source_name` the name of the clip that it began with. `matched` is there
    where a search found it by more than its name and this prompt. `width` and `height` are in pixels.
    """

    film_id: str
    name: str
    seconds: float
    parts: int
    made: float
    text_prompt: str | None = None
    source_name: str | None = None
    width: int | None = None
    height: int | None = None
    matched: Matched | None = None


def listed_films(
    films: Sequence[Intent],
    ancestors: Callable[[str | None], str],
    *,
    query: str | None = None,
    account: str | None = None,
) -> list[JoinedFilm]:
    """Those of the joined films that all words of a query stand in, newest first; of one account, if it is named.

    The words are looked for in the film's name, in the prompts of its parts and in the names of what it came from;
    `ancestors` gives the names of what the film of a task came from.
    """
    found_by, known = _found_by(films), {film.film_id: film for film in films}
    found: list[JoinedFilm] = []
    for film in films:
        joined, is_there = JoinMade.of(film), account is None or film.account in (None, account)
        by = found_by[film.film_id]
        if joined is not None and is_there and has_words(f"{by.words} {ancestors(by.task_id)}", query):
            found.append(_listed(film, joined, chain_of(film, known)[-1], query))
    return sorted(found, key=lambda film: film.made, reverse=True)


def _listed(film: Intent, joined: JoinMade, first: Intent, query: str | None) -> JoinedFilm:
    label = film_label(film)
    width, height = _size(film)
    return JoinedFilm(
        film.film_id,
        label,
        joined.seconds,
        len(parts_of(film)),
        # Not the end of the join, which is later where a film whose file was gone was joined anew.
        film.ended or film.created,
        film.text_prompt,
        first.source_name,
        width,
        height,
        None if has_words(f"{label} {film.text_prompt or ''}", query) else "ancestor",
    )


def _size(film: Intent) -> tuple[int | None, int | None]:
    """The size of a joined film, which is that of its last part, in pixels; before that is read, the start frame's."""
    if film.film is not None and film.film.width and film.film.height:
        return film.film.width, film.film.height
    frame = FrameMade.of(film)
    return (frame.width, frame.height) if frame is not None else (None, None)


def parts_found_by(films: Sequence[Intent]) -> dict[str, FoundBy]:
    """What a search finds the parts of films by, by the parts' uuids: the words of the newest film of each."""
    found_by = _found_by(films)
    return {uuid: found_by[film_id] for uuid, film_id in films_of_parts(films).items()}


def films_of_parts(films: Sequence[Intent]) -> dict[str, str]:
    """The uuid of each clip that was made as a part of a film, with the newest film that ends with it.

    Where none does, with the newest that has it.
    """
    having = [(part, film) for film in reversed(films) for part in parts_of(film)[1:]]
    ending = [(part, film) for film in reversed(films) for part in parts_of(film)[1:][-1:]]
    return {uuid_of(part.asset_id): film.film_id for part, film in (*having, *ending) if part.asset_id is not None}


def chain_of(film: Intent, known: Mapping[str, Intent]) -> list[Intent]:
    """A film and those that it came from, the last one first, as far as they are known by their ids."""
    chain, step = list[Intent](), film
    while step.film_id not in {each.film_id for each in chain}:
        chain.append(step)
        step = known.get(step.source_asset_id, step)
    return chain


def makers_of(film: Intent, known: Mapping[str, Intent]) -> list[tuple[FilmPart, Intent | None]]:
    """The parts of a film in order, each with the intent that made it; None for a part that was there before."""
    parts, chain = parts_of(film), chain_of(film, known)
    is_joined = JoinMade.of(film) is not None
    made = dict(zip(range(len(parts) - 1, 0, -1), chain if is_joined else chain[1:], strict=False))
    return [(part, made.get(number)) for number, part in enumerate(parts)]


def _found_by(films: Sequence[Intent]) -> dict[str, FoundBy]:
    known = {film.film_id: film for film in films}
    return {
        film.film_id: FoundBy(_words(film, chain), chain[-1].parent_task_id)
        for film in films
        if (chain := chain_of(film, known))
    }


def _words(film: Intent, chain: Iterable[Intent]) -> str:
    names: Iterable[str | None] = (each.source_name for each in chain)
    prompts: Iterable[str | None] = (part.text_prompt for part in parts_of(film))
    return " ".join([film_label(film), *(each for each in (*names, *prompts) if each)])
