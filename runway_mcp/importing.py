"""Imports a package as if named optional modules were not installed."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

COMMAND_LINE_OF_HTTPX: Final = "httpx._main"
"""What `httpx` imports if it is there: its command line, which loads `rich`, `click` and `pygments`."""


@contextmanager
def without(*modules: str) -> Generator[None]:
    """Lets others be imported as if these modules were not installed, unless they are loaded already."""
    loaded = cast("dict[str, object]", sys.modules)
    # An entry that is None is how Python is told that a module is missing.
    hidden = [name for name in modules if loaded.setdefault(name, None) is None]
    try:
        yield
    finally:
        for name in hidden:
            loaded.pop(name, None)
