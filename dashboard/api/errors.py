"""What an operation raises when it cannot do what it was asked."""


class Refused(Exception):
    """Answered with ``status`` and a sentence for whoever reads the answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
