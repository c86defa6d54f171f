"""Who has closed the message about which blocks: kept for a person, for a read-only link in its session."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from dashboard.models import ClosedBlocks

SESSION_KEY = "closed_blocks"


def closed_by(request: HttpRequest) -> str:
    """``<last closed>-<since when, unix seconds>``: neither older blocks nor those before are told to the viewer."""
    user = request.user
    if not isinstance(user, User):
        return f"{request.session.get(SESSION_KEY, 0)}-0"
    last = ClosedBlocks.objects.filter(user=user).values_list("last", flat=True).first()
    return f"{last or 0}-{int(user.date_joined.timestamp())}"


def close(request: HttpRequest, last: int) -> None:
    """Tell the viewer no more about blocks up to ``last``."""
    user = request.user
    if isinstance(user, User):
        ClosedBlocks.objects.update_or_create(user=user, defaults={"last": last})
    else:
        request.session[SESSION_KEY] = last
