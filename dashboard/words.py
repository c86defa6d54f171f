"""What machines write as a fixed word (a mode, an action, a source), in the words and the language of the viewer.

A word that is not listed is shown as it is.
"""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

Text = str | Promise

_CONTROL: Mapping[str, Text] = {
    "override": _("slider"),
    "auto-balance": _("auto-balance"),
    "schedule": _("schedule"),
    "default": _("default schedule"),
    "none": _("nobody"),
}
_MODES: Mapping[str, Text] = {
    "ratio": pgettext_lazy("mode of a schedule", "ratio"),
    "priority": pgettext_lazy("mode of a schedule", "priority"),
    "auto-balance": _("auto-balance"),
}
_POLICIES: Mapping[str, Text] = {
    "automatic": pgettext_lazy("policy of a schedule", "automatic"),
    "slicing": _("slicing"),
    "packing": _("packing"),
}
_ADMIN: Mapping[str, Text] = {"enabled": _("enabled"), "drain": _("drain"), "disabled": _("disabled")}
_SOURCES: Mapping[str, Text] = {
    "observed": _("jobs of the pools"),
    "oracle": _("DPMP oracle"),
    "node": _("node"),
    "mempool": _("mempool"),
}
_ACTIONS: Mapping[str, Text] = {
    "weights": _("set the split"),
    "auto-balance": _("switched auto-balance on"),
    "reset": _("back to the schedule"),
    "pin": _("pinned"),
    "forget": _("forgot the worker"),
    "add pool": _("added the pool"),
    "add person": _("added the person"),
    "make link": _("made the link"),
    "revoke link": _("revoked the link"),
    "log download": _("downloaded the log"),
    "log events": _("chose the events of the log"),
    "add": _("added"),
    "change": _("changed"),
    "delete": _("deleted"),
}


def control_source(source: str) -> str:
    """Who is in control, as a word in a sentence."""
    return str(_CONTROL.get(source, source))


def mode_name(mode: str) -> str:
    """What decides the weights of a schedule."""
    return str(_MODES.get(mode, mode))


def policy_name(policy: str) -> str:
    """How weights become assignments."""
    return str(_POLICIES.get(policy, policy))


def admin_state(status: str) -> str:
    """What the operator wants of a pool."""
    return str(_ADMIN.get(status, status))


def source_name(source: str) -> str:
    """A source of auto-balance; what tells it from another of its kind (a chain, a number) follows."""
    kind, _space, which = source.partition(" ")
    return f"{_SOURCES.get(kind, kind)} {which}".strip()


def action_name(action: str) -> str:
    """What somebody did, for the audit list."""
    return str(_ACTIONS.get(action, action))
