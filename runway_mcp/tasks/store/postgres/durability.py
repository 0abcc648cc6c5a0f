"""What a PostgreSQL server promises of a confirmed COMMIT, in words for the log."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg


@dataclass(frozen=True)
class Durability:
    """The server's settings that decide whether a confirmed write can be forgotten.

    `standbys` are the synchronous ones by name, as configured; `copies` counts the standbys that are connected.
    """

    fsync: str
    synchronous_commit: str
    standbys: str
    copies: int

    @property
    def settings(self) -> str:
        """The settings in one line."""
        named = f"'{self.standbys}'" if self.standbys else "none"
        return (
            f"synchronous_commit is {self.synchronous_commit}, the synchronous standbys are {named}, "
            f"{self.copies} standby(s) are connected, fsync is {self.fsync}"
        )

    @property
    def risks(self) -> list[str]:
        """What could make the database forget what it confirmed, one sentence each; none if nothing is known to."""
        if self.standbys or self.copies:
            return self.faults
        told = (
            "It has no synchronous standby: a fail-over to a copy, or a restored backup, can forget what was paid "
            "since. One server, or a fail-over that moves its disk, forgets nothing."
        )
        return [*self.faults, told]

    @property
    def faults(self) -> list[str]:
        """Those of the risks that a setting would mend, as the server stands now."""
        risks: list[str] = []
        if self.fsync == "off":
            risks.append("With fsync off a crash of its machine can forget or damage what was paid.")
        if self.synchronous_commit in WEAK:
            risks.append(
                f"synchronous_commit is {self.synchronous_commit}; this program asks for 'on' in its own transactions."
            )
        if not self.standbys and self.copies:
            risks.append(
                "Its standbys are asynchronous: a fail-over to one can forget what was just paid, and the same request "
                "would be paid again. Set synchronous_standby_names."
            )
        return risks


WEAK: tuple[LiteralString, ...] = ("off", "local", "remote_write")
"""Values of `synchronous_commit` with which a confirmed COMMIT may be lost; transactions of the ledger ask for more."""

DURABLE: LiteralString = (
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('"
    + "', '".join(WEAK)
    + "')"
)
"""Makes the COMMIT of the open transaction wait for the disk, and for the standbys if there are any."""


SETTINGS: LiteralString = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
    " current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)"
)
"""Reads what a `Durability` consists of, in its order."""


async def durability_of(connection: psycopg.AsyncConnection) -> Durability:
    """Reads the settings; raises what psycopg raises."""
    row = await (await connection.execute(SETTINGS)).fetchone()
    if row is None:
        raise psycopg.DataError("no settings")
    return Durability(*row)
