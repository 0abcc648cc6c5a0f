"""A ledger that knows nothing, and is slow to say so."""

import anyio


class SlowLedger:
    """Finds nothing, each time after a second; notes how often it is `asked`, and how often at once at most."""

    def __init__(self) -> None:
        self.asked = self.at_once = self.most = 0

    async def find(self, _: str, __: str) -> None:
        """Finds nothing."""
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await anyio.sleep(1)
        self.at_once -= 1
