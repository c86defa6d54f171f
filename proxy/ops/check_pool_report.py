"""Turns the result of a connection test into lines of a report."""

import errno
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _

from proxy.chains.addresses import address_of_script
from proxy.chains.coinbase import Coinbase, TxOut, assemble, parse_coinbase
from proxy.chains.payout import wallet_script
from proxy.config.snapshot import DIFFICULTY_PLACEHOLDER, PoolConfig, Tls
from proxy.errors import RemoteProtocolError
from proxy.ops.check_pool_probe import Handshake, readable
from proxy.ops.check_pool_tls import Certificate, TlsInspection
from proxy.stratum.difficulty import diff1_target, network_difficulty
from proxy.stratum.extranonce import USUAL_SIZE
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.version_rolling import mask_text
from proxy.types import Chain

Line = tuple[str, str, bool | None]
"""Label, text, ok; None for information."""

SHOWN_OUTPUTS = 5
EXPIRES_SOON = timedelta(days=14)
_COIN = 100_000_000
_CONNECT_FAILED = (
    "Multiple exceptions",
    *(os.strerror(number) for number in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)),
)
"""Error texts of the dialer for a refused or unreachable address."""


def lines_of(
    pool: PoolConfig,
    seen: Handshake,
    inspection: TlsInspection | None,
    *,
    user: str,
    test_user: bool,
    timeout_s: float,
    hashes_per_difficulty: float,
) -> list[Line]:
    """The lines for one address of ``pool``; ``inspection`` is None where TLS is off."""
    lines = [_address(seen), _reachable(seen, inspection)]
    if inspection is not None and (seen.peer or inspection.peer):
        lines += _tls(seen, inspection)
    if seen.peer:
        lines += _handshake(pool, seen, readable(user), test_user, timeout_s)
        if seen.job is not None:
            lines += _job(pool, seen.job, hashes_per_difficulty, test_user)
    lines += [(_("The pool said"), remark, None) for remark in seen.remarks]
    return lines


def _address(seen: Handshake) -> Line:
    tls = {Tls.OFF: _("without TLS"), Tls.VERIFY: _("with TLS"), Tls.INSECURE: _("with TLS, certificate not checked")}[
        seen.endpoint.tls
    ]
    return _("Address"), f"{seen.endpoint}, {tls}", None


def _reachable(seen: Handshake, inspection: TlsInspection | None) -> Line:
    label = _("Reachable")
    if seen.peer:
        return label, _("%(peer)s answered in %(ms)d ms.") % {"peer": seen.peer, "ms": round(seen.connect_ms)}, True
    if inspection is not None and inspection.peer:
        return (
            label,
            _("%(peer)s answered in %(ms)d ms.") % {"peer": inspection.peer, "ms": round(inspection.connect_ms)},
            True,
        )
    if seen.end.startswith(_CONNECT_FAILED):
        return (
            label,
            _("No: nothing accepts connections there, or that address cannot be reached. Check host and port."),
            False,
        )
    return label, _("No: %s.") % seen.end.rstrip(".") if seen.end else _("No answer."), False


# --- TLS -------------------------------------------------------------------------------------------------------------


def _tls(seen: Handshake, inspection: TlsInspection) -> Iterator[Line]:
    shown = inspection.certificate
    if not inspection.version and not seen.peer:
        yield (
            _("TLS"),
            _(
                "No: the port takes connections but does not speak TLS. It is probably the pool's plain "
                "port: switch TLS off, or use the pool's TLS port."
            ),
            False,
        )
        return
    if not seen.peer:
        yield _("TLS"), _why_refused(seen, shown), False
    else:
        checked = _("certificate accepted") if seen.endpoint.tls is Tls.VERIFY else _("certificate not checked")
        yield _("TLS"), f"{inspection.version or 'TLS'}, {checked}", True
    if shown is not None:
        yield _certificate(shown)


def _why_refused(seen: Handshake, shown: Certificate | None) -> str:
    now = datetime.now(UTC)
    end = seen.end.rstrip(".")
    if shown is None:
        return _("No: %s.") % end
    if "mismatch" in end:
        return _(
            "The certificate is of another host: it is made out to %(names)s, not to %(host)s. Use one of its "
            "names, or ask the pool."
        ) % {"names": ", ".join(shown.names) or shown.subject, "host": seen.endpoint.host}
    if shown.not_after < now:
        return _("The certificate expired on %s: the pool must renew it.") % f"{shown.not_after:%Y-%m-%d}"
    if shown.not_before > now:
        return (
            _("The certificate is not valid before %s. Is this computer's clock right?")
            % f"{shown.not_before:%Y-%m-%d}"
        )
    if shown.self_signed:
        return _(
            "The certificate is self-signed, so no authority vouches for it. If the pool is your own, choose TLS "
            "without a check of the certificate."
        )
    return _("No: %s.") % end


def _certificate(shown: Certificate) -> Line:
    text = _("%(subject)s, for %(names)s, valid until %(day)s") % {
        "subject": shown.subject or "-",
        "names": ", ".join(shown.names) or "-",
        "day": f"{shown.not_after:%Y-%m-%d}",
    }
    left = shown.not_after - datetime.now(UTC)
    if timedelta() < left < EXPIRES_SOON:
        text += ". " + _("It expires in %d days.") % left.days
    return _("Certificate"), text, None


# --- Handshake -------------------------------------------------------------------------------------------------------


def _handshake(pool: PoolConfig, seen: Handshake, user: str, test_user: bool, timeout_s: float) -> Iterator[Line]:
    if not seen.subscribed:
        yield _("Subscribe"), _why_not_subscribed(seen, timeout_s), False
        return
    yield _("Subscribe"), _("accepted"), True
    yield _authorize(seen, user, test_user, timeout_s)
    if DIFFICULTY_PLACEHOLDER in pool.password:
        yield _("Difficulty in the password"), _difficulty_placeholder(pool), None
    yield _extranonce(seen)
    yield (
        _("Difficulty"),
        (
            _number(seen.difficulty)
            if seen.difficulty is not None
            else _("none sent, so 1 applies, as Stratum defines it")
        ),
        None,
    )
    yield _("Version mask"), _mask(seen.version_mask), None
    yield _first_job(seen, timeout_s)


def _difficulty_placeholder(pool: PoolConfig) -> str:
    """What the placeholder becomes, without the rest of the password."""
    part = next(part for part in re.split("[;,]", pool.password) if DIFFICULTY_PLACEHOLDER in part)
    return _(
        "%(part)s becomes %(example)s for a miner that works at 16384; it was left out here, as for a miner of "
        "which nothing is known yet"
    ) % {"part": part.strip(), "example": part.strip().replace(DIFFICULTY_PLACEHOLDER, "16384")}


def _mask(mask: int | None) -> str:
    if mask is None:
        return _("not told: the pool left the question unanswered, so miners may try to roll the version")
    return mask_text(mask) if mask else _("none: miners cannot roll the version (AsicBoost) on this pool")


def _why_not_subscribed(seen: Handshake, timeout_s: float) -> str:
    if seen.speaks_tls:
        return _("No: this port wants TLS. Switch TLS on, or use the pool's plain port.")
    if seen.end and not seen.answered and seen.endpoint.tls is Tls.OFF:
        return _("No: %s, without any reply. Is this a Stratum port, and one without TLS?") % seen.end.rstrip(".")
    if seen.end:
        return _("No: %s.") % seen.end.rstrip(".")
    return _("No answer within %d s. Is this a Stratum port?") % max(1, round(timeout_s))


def _authorize(seen: Handshake, user: str, test_user: bool, timeout_s: float) -> Line:
    label = _("Authorise")
    if seen.authorized:
        return label, _("accepted as %s") % user, True
    if seen.authorized is None:
        why = seen.end or _("no answer within %d s") % max(1, round(timeout_s))
        return label, _("No: %s.") % why, False
    refusal = seen.refusal or _("no reason given")
    if test_user:
        return (
            label,
            _(
                "The pool does not know the user %(user)s, which this check made up (%(refusal)s). Give a "
                "user name to test it."
            )
            % {"user": user, "refusal": refusal},
            None,
        )
    return (
        label,
        _("refused as %(user)s: %(refusal)s. Check the wallet or account, the user name format and the password.")
        % {"user": user, "refusal": refusal},
        False,
    )


def _extranonce(seen: Handshake) -> Line:
    one, two = len(seen.extranonce1), seen.extranonce2_size
    text = _("extranonce1 %(one)d bytes (%(hex)s), extranonce2 %(two)d bytes") % {
        "one": one,
        "hex": seen.extranonce1.hex() or "-",
        "two": two,
    }
    if two < USUAL_SIZE:
        text += ". " + _("That is less than %d: some miners cannot work here.") % USUAL_SIZE
    return _("Extranonce"), text, True if two >= USUAL_SIZE else None


def _first_job(seen: Handshake, timeout_s: float) -> Line:
    label = _("First job")
    if seen.first_job_s is not None:
        return label, _("after %.2f s") % seen.first_job_s, True
    if seen.authorized is False:
        return label, (_("came before the refusal") if seen.job else _("none, as the user was refused")), None
    why = seen.end or _("none within %d s") % max(1, round(timeout_s))
    return label, _("No: %s.") % why.rstrip("."), False


# --- The job ---------------------------------------------------------------------------------------------------------


def _job(pool: PoolConfig, job: PoolJob, hashes_per_difficulty: float, test_user: bool) -> Iterator[Line]:
    difficulty = _("network difficulty %s") % _number(
        network_difficulty(job.template.nbits, diff1_target(hashes_per_difficulty))
    )
    try:
        coinbase = parse_coinbase(
            assemble(job.template.coinb1, job.extranonce1, job.extranonce2_size, job.template.coinb2)
        )
    except RemoteProtocolError as error:
        yield _("Block"), difficulty, None
        yield _("Pays"), _("The job's coinbase cannot be read: %s.") % error, False if pool.solo else None
        return
    height = _("height unknown") if coinbase.height is None else _("height %s") % f"{coinbase.height:,}"
    yield _("Block"), f"{height}, {difficulty}", None
    yield from _payout(pool, coinbase, test_user)


def _payout(pool: PoolConfig, coinbase: Coinbase, test_user: bool) -> Iterator[Line]:
    wallet = None if test_user else wallet_script(pool)
    yield _("Pays"), _outputs(pool.chain, coinbase.outputs, wallet), None
    if test_user:
        return
    if wallet is None:
        yield (
            _("Your wallet"),
            _("An account name, or of a chain not known here: it cannot be looked for in the coinbase."),
            None,
        )
        return
    paid = sum(output.value for output in coinbase.outputs if output.script == wallet)
    yield _wallet(pool, 100.0 * paid / coinbase.total if coinbase.total else 0.0)


def _wallet(pool: PoolConfig, percent: float) -> Line:
    label = _("Your wallet")
    if pool.solo and percent < pool.payout_min_percent:
        return (
            label,
            _(
                "gets %(got).1f %% of this block, and a solo pool must pay it at least %(least).1f %%. "
                "Check the wallet, or whether this is a solo pool."
            )
            % {"got": percent, "least": pool.payout_min_percent},
            False,
        )
    if percent:
        return label, _("gets %.1f %% of this block") % percent, True
    return label, _("The pool pays another address: normal for a shared pool, wrong for a solo pool."), None


def _outputs(chain: Chain, outputs: tuple[TxOut, ...], wallet: bytes | None) -> str:
    """The largest first; without a known chain, addresses are written as Bitcoin does."""
    paying = sorted((output for output in outputs if output.value), key=lambda output: -output.value)
    parts = []
    for output in paying[:SHOWN_OUTPUTS]:
        name = address_of_script(Chain.BTC if chain is Chain.OTHER else chain, output.script)
        amount = f"{output.value // _COIN}.{output.value % _COIN:08d}"
        name = name or _("a script of %d bytes") % len(output.script)
        parts.append(f"{name} {amount}" + (" " + _("(your wallet)") if output.script == wallet else ""))
    if len(paying) > SHOWN_OUTPUTS:
        parts.append(_("and %d more") % (len(paying) - SHOWN_OUTPUTS))
    if chain is Chain.OTHER and parts:
        parts.append(_("written as BTC addresses, because the chain is not known"))
    return "; ".join(parts) or _("nobody")


def _number(value: float) -> str:
    if value >= 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.6g}"
