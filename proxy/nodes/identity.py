"""What a node is called: the name by which several proxies on one database tell each other apart."""

import re

LONGEST = 63
MOST_WORKERS = 64
_NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{LONGEST - 1}}}")
_OTHER = re.compile(r"[^a-z0-9._-]+")


class NodeNameError(ValueError):
    """A name that cannot be used; the message says why and what to do."""


def node_name(given: str, *, shares_database: bool, host: str) -> str:
    """The name of this node; "" where it has the database for itself and nothing of several nodes concerns it.

    Args:
        given: from the command line or the environment; "" if nobody gave one.
        shares_database: whether the database is one that several nodes can share (PostgreSQL).
        host: this machine's name, the default where the database can be shared.

    Raises:
        NodeNameError: the name cannot be used.
    """
    if not given:
        return _from_host(host) if shares_database else ""
    if not shares_database:
        raise NodeNameError(
            "A node needs a name only where several share one database, and those need PostgreSQL: "
            "set DPMP_DATABASE_URL, or leave --node and DPMP_NODE out."
        )
    name = given.lower()
    if not _NAME.fullmatch(name):
        raise NodeNameError(
            f"{given!r} cannot be the name of a node: at most {LONGEST} letters a-z, digits, dots, hyphens and "
            "underscores, of which the first is a letter or digit."
        )
    return name


def worker_name(node: str, number: int) -> str:
    """The name of the process ``number`` (from 1) of the node, under ``runproxy --workers``."""
    suffix = f"-{number}"
    return node[: LONGEST - len(suffix)] + suffix


def worker_names(node: str) -> list[str]:
    """The names that its processes may have."""
    return [worker_name(node, number) for number in range(1, MOST_WORKERS + 1)]


def _from_host(host: str) -> str:
    name = _OTHER.sub("-", host.lower()).lstrip("._-")[:LONGEST]
    return name or "node"
