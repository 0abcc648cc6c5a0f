"""What ends the demo early."""


class DemoError(Exception):
    """The demo cannot go on: one line for the user, and the exit code."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.code = code
