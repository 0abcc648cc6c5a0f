"""Errors met before the create of a continuation, as failures that cost nothing."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from runway_mcp.media.errors import KeepingError, LinkError, MediaMissing, NoFilm, TooLarge, UnreadableFilm
from runway_mcp.runway.errors import RunwayError
from runway_mcp.tasks.failures import Failure, failure_of

_log = logging.getLogger(__name__)

_NOTHING_SPENT = "Nothing was submitted or charged."


@contextmanager
def told_as_free() -> Generator[None]:
    """Turns what the body meets into a `Failure`: `not_configured` where this machine or the clip's file is the cause.

    What a later try may mend without a change is `unavailable`. A disk or folder that does not do is logged as well:
    a caller of a hosted server cannot mend it.
    """
    try:
        yield
    except MediaMissing as error:
        raise Failure("not_configured", f"{error} {_NOTHING_SPENT}") from error
    except (UnreadableFilm, NoFilm, TooLarge) as error:
        message = f"The clip's file cannot be used: {str(error).rstrip('.')}. {_NOTHING_SPENT}"
        raise Failure("not_configured", message) from error
    except KeepingError as error:
        _log.warning("a clip could not be continued: %s", error)
        message = f"{error} Films need their parts on disk before credits are spent. {_NOTHING_SPENT}"
        raise Failure("not_configured", message) from error
    except LinkError as error:
        raise Failure("unavailable", f"The clip could not be fetched: {error} {_NOTHING_SPENT}") from error
    except RunwayError as error:
        raise failure_of(error) from error
    except OSError as error:
        _log.warning("a clip could not be continued: the working folder cannot be used: %s", error.strerror)
        message = f"The working folder cannot be used: {error.strerror or 'the system refuses'}. {_NOTHING_SPENT}"
        raise Failure("not_configured", message) from error
