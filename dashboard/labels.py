"""Labels of fixed values (a mode, an action, a source) in the viewer's language.

Labels of enums come from ``proxy.models.labels``. A value that is not listed is shown as it is.
"""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from proxy.balance.balance_view import BalanceState
from proxy.config.snapshot import Mode
from proxy.models.labels import SourceKind, Text, label_of
from proxy.types import AdminStatus, Chain, PoolStatus, Waste

_CONTROL: Mapping[str, Text] = {
    "override": _("slider"),
    "auto-balance": _("auto-balance"),
    "schedule": _("schedule"),
    "default": _("default schedule"),
    "none": _("nobody"),
}
_ACTIONS: Mapping[str, Text] = {
    "weights": _("set the split"),
    "auto-balance": _("switched auto-balance on"),
    "reset": _("back to the schedule"),
    "pin": _("pinned"),
    "forget": _("forgot the worker"),
    "let in": _("let the address in again"),
    "add pool": _("added the pool"),
    "add person": _("added the person"),
    "link identity provider": _("linked an account of the identity provider"),
    "unlink identity provider": _("unlinked an account of the identity provider"),
    "make link": _("made the link"),
    "revoke link": _("revoked the link"),
    "make token": _("made the API token"),
    "revoke token": _("revoked the API token"),
    "notify browser": _("switched notifications on in the browser"),
    "no longer notify browser": _("switched notifications off in the browser"),
    "log download": _("downloaded the log"),
    "log events": _("chose the events of the log"),
    "change MQTT": _("changed MQTT"),
    "change miners' facts": _("changed the questions to the miners"),
    "scan for miners": _("searched for miners in"),
    "add miner": _("added the miner"),
    "change miner": _("changed the miner"),
    "delete miner": _("took the miner out of the list:"),
    "change miner's pool": _("changed the pool of the miner"),
    "miner's pool not changed": _("could not change the pool of the miner"),
    "change pool": _("changed the pool"),
    "enable pool": _("enabled the pool"),
    "disable pool": _("disabled the pool"),
    "delete pool": _("deleted the pool"),
    "add wallet": _("added the wallet"),
    "change wallet": _("changed the wallet"),
    "delete wallet": _("deleted the wallet"),
    "add alert target": _("added the alert target"),
    "change alert target": _("changed the alert target"),
    "enable alert target": _("enabled the alert target"),
    "disable alert target": _("disabled the alert target"),
    "delete alert target": _("deleted the alert target"),
    "change person": _("changed the person"),
    "enable person": _("enabled the person"),
    "disable person": _("disabled the person"),
    "delete person": _("deleted the person"),
    "add window": _("added a window of"),
    "change window": _("changed a window of"),
    "delete window": _("deleted a window of"),
    "add schedule": _("added the schedule"),
    "change schedule": _("changed the schedule"),
    "enable schedule": _("enabled the schedule"),
    "disable schedule": _("disabled the schedule"),
    "delete schedule": _("deleted the schedule"),
    "add": _("added"),
    "change": _("changed"),
    "delete": _("deleted"),
}


_WASTE: Mapping[Waste, Text] = {
    Waste.SHARES: _("refused shares"),
    Waste.CALLS: _("calls that change nothing, again and again"),
    Waste.LINES: _("lines that are no Stratum"),
    Waste.BLANKS: _("blank lines"),
    Waste.PASSWORDS: _("wrong passwords"),
}


def waste(what: Waste) -> str:
    """What an address sent that earns nothing."""
    return str(_WASTE[what])


def control_source(source: str) -> str:
    """Who is in control, in a sentence."""
    return str(_CONTROL.get(source, source))


def pool_state(status: PoolStatus) -> str:
    """Label of a pool's state."""
    return str(label_of(PoolStatus, status).name)


def chain_name(chain: Chain) -> str:
    """The coin's short name."""
    return str(label_of(Chain, chain).name)


def mode_name(mode: str) -> str:
    """Label of what decides a schedule's weights."""
    return str(label_of(Mode, mode).name)


def admin_state(status: str) -> str:
    """Label of the state that the operator gave a pool."""
    return str(label_of(AdminStatus, status).name)


def balance_state(state: str) -> str:
    """Label of auto-balance's state."""
    return str(label_of(BalanceState, state).name)


def balance_look(state: str) -> str:
    """The CSS class of a chip with that state."""
    return label_of(BalanceState, state).look


def source_name(source: str) -> str:
    """Label of a source of auto-balance, with what distinguishes it from others of its kind (a chain, a number)."""
    kind, _space, which = source.partition(" ")
    return f"{label_of(SourceKind, kind).name} {which}".strip()


def action_name(action: str) -> str:
    """Label of an action in the audit log."""
    return str(_ACTIONS.get(action, action))
