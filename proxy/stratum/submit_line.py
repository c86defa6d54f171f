"""The line of ``mining.submit``: its parameters, and how long it may become."""

from collections.abc import Sequence

from proxy.stratum.codec import encode_request
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.version_rolling import PoolReading

MAX_LINE_OUT = 1_023
"""Bytes with the newline: ckpool drops a client that sends 1,024 or more."""
LARGEST_ID = 10**12
"""No connection sends as many requests."""
BARE_SUBMIT = len(encode_request(LARGEST_ID, "mining.submit", ["", "", "", *["0" * 8] * 3]))
"""Bytes of a submit with an empty user, job id and extranonce2."""


def share_params(
    user: str, job: PoolJob, reading: PoolReading, extranonce2: bytes, ntime: int, nonce: int, version: int
) -> tuple[list[str | int], int | None]:
    """The parameters of a share of ``job``, and the version bits among them, None for none.

    ``version``: as hashed; its bits are sent unless the pool said that it allows no rolling (DATUM wants the
    parameter where it granted rolling and takes it amiss where it refused it), and where the version is not the
    job's (a block that is to go up all the same).
    """
    params: list[str | int] = [user, job.template.job_id, extranonce2.hex(), f"{ntime:08x}", f"{nonce:08x}"]
    version_bits = None
    if job.allowed_version_mask or version != job.template.version:
        version_bits = reading.bits_for(job.template.version, job.allowed_version_mask, version)
        params.append(f"{version_bits:08x}")
    return params, version_bits


def submit_fits(params: Sequence[str | int]) -> bool:
    """Whether a submit with ``params`` is short enough for all pools, on whatever connection."""
    return len(encode_request(LARGEST_ID, "mining.submit", list(params))) <= MAX_LINE_OUT
