"""The database models of the configuration, the history and the state of the proxy."""

from proxy.models.alerts import *  # noqa: F403
from proxy.models.balance import *  # noqa: F403
from proxy.models.config import *  # noqa: F403
from proxy.models.history import *  # noqa: F403
from proxy.models.money import *  # noqa: F403
from proxy.models.nodes import *  # noqa: F403
from proxy.models.push import *  # noqa: F403
from proxy.models.state import *  # noqa: F403
