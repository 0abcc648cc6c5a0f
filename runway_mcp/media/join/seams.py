"""The seams of a joined film as plain data, importable without the decoder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seam:
    """How the film looks where one part follows another, in steps of 255.

    `difference` is between the pictures on both sides, `motion` the larger one between neighbours before and after it,
    `colour` by how much the mean of a colour changes.
    """

    at_seconds: float
    difference: float
    motion: float
    colour: float
