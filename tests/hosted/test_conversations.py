import os
from typing import get_args

import anyio
import pytest

from tests.hosted.conversation import Era
from tests.hosted.conversations import held
from tests.hosted.nginx import nginx
from tests.kit.postgres import programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        (nginx() is None or programs() is None) and os.environ.get("NGINX_TESTS") != "required",
        reason="nginx or PostgreSQL is not installed",
    ),
]


@pytest.mark.parametrize("era", get_args(Era))
async def test_conversations_through_a_balancer_come_to_their_films_while_replicas_end(era: Era) -> None:
    with anyio.fail_after(280):
        tally = await held(8, era, at_once=8)

    assert tally.failed == []
    assert tally.counts["conversations that came to their film"] == tally.counts["wishes accepted upstream"] == 8
    assert tally.counts["replicas ended by SIGKILL and begun anew"] == 2
    assert tally.counts["replicas ended by SIGTERM and begun anew"] == 1
    assert tally.counts["questions answered"] >= (8 if era == "2026-07-28" else 0)
