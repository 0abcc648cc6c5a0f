"""A film elsewhere, as `media` sees it: read by ranges, with a record of them."""

from pathlib import Path


class RangedFilm:
    """A file that is read by ranges; `asked` records each of them."""

    def __init__(self, content: bytes | Path) -> None:
        self.content = content if isinstance(content, bytes) else content.read_bytes()
        self.asked: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def bytes_asked(self) -> int:
        return sum(end - start for start, end in self.asked)

    async def read(self, start: int, end: int) -> bytes:
        assert 0 <= start < end <= self.size
        self.asked.append((start, end))
        return self.content[start:end]
