"""All models of the proxy; each file of this room exports its own here."""

from proxy.models.alerts import *  # noqa: F403
from proxy.models.balance import *  # noqa: F403
from proxy.models.config import *  # noqa: F403
from proxy.models.history import *  # noqa: F403
from proxy.models.state import *  # noqa: F403
