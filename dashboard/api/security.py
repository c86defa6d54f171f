"""What a token must be allowed for an operation."""

from typing import Any

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from dashboard.access import ADMINISTER, LOGS, SEE, STEER
from dashboard.api.callers import Caller
from dashboard.api.errors import Refused


class Token(HttpAuthBase):
    """The token of this request, if it may all of ``names``; ``dashboard.api.entry`` has found out whose it is."""

    openapi_scheme = "bearer"

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = frozenset(names)

    def __call__(self, request: HttpRequest) -> Any:
        """The caller.

        Raises:
            Refused: it may not do this.
        """
        caller = caller_in(request)
        if not caller.access.may.issuperset(self.names):
            raise Refused(403, f"This token may not do this. It takes: {', '.join(sorted(self.names))}.")
        return caller


def caller_in(request: HttpRequest) -> Caller:
    """Whom ``dashboard.api.entry`` has found."""
    caller: Caller = request.api_caller  # type: ignore[attr-defined]
    return caller


MAY_SEE, MAY_STEER = Token(SEE), Token(SEE, STEER)
MAY_READ_LOGS, MAY_ADMINISTER = Token(SEE, LOGS), Token(SEE, ADMINISTER)
