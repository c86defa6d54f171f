"""The exceptions, by whose fault it is."""


class DPMPError(Exception):
    """Root of all errors of ours."""


class RemoteProtocolError(DPMPError):
    """A peer broke the protocol: counted and logged at INFO.

    ``code`` is the Stratum error code that a reply should carry; ``cost`` is in points of ``proxy.engine.peer_costs``.
    """

    def __init__(self, message: str, *, code: int = 20, cost: float = 10.0) -> None:
        super().__init__(message)
        self.code = code
        self.cost = cost


class LocalProtocolError(DPMPError):
    """We would have broken the protocol: our bug, logged at ERROR with a traceback."""


class ConfigError(DPMPError):
    """The operator's configuration cannot be used; ``problems`` are sentences for the admin."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
