"""What is asked of an identity provider, and what of its answers is believed (OpenID Connect Core and Discovery 1.0).

Everything that it answers is hostile until checked: time and size are limited, its addresses have to be https, and an
ID token counts by its signature, issuer, audience, age and nonce.
"""

import asyncio
import hmac
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from dashboard.login_models import DISCOVERY_PATH, LOOPBACK, IdentityProvider, is_trusted_address
from proxy.net.http_client import HttpFetcher, HttpLimits, SourceError, SourceUnreachable, make_client

log = logging.getLogger(__name__)

LIMITS = HttpLimits(timeout_s=5.0, max_bytes=256 * 1024)
"""Of each of the four requests that a login takes at most."""
KEPT_S = 600.0
"""How long a provider's addresses are believed before they are read again."""
DOWN_S = 10.0
"""How long a provider that did not answer is not asked again: whoever clicks then is told at once."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures; none where the key is the client secret, or no key at all."""
KINDS_OF_KEYS = ("RSA", "EC", "OKP")
MOST_KEYS = 50
LEEWAY_S = 60
"""Clocks in homes are wrong."""
UID_CHARS = 191
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
"""What parsers raise about an answer that is none, beside their own errors."""


class ProviderError(OAuth2Error):
    """A login that the provider did not complete, or that is not believed; the text is for the log."""


class ProviderDown(ProviderError):
    """It does not answer, or not in time."""


@contextmanager
def refused_if_malformed() -> Iterator[None]:
    """Turn what a malformed answer makes parsers raise into ``ProviderError``."""
    try:
        yield
    except MALFORMED as error:
        raise ProviderError(f"A malformed answer: {type(error).__name__}.") from error


def ask(
    provider: IdentityProvider,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    bearer: str = "",
) -> dict[str, Any]:
    """The JSON object at ``url``; waits ``LIMITS.timeout_s`` at most, also for a name that is looked up.

    Raises:
        ProviderDown: there was no answer in time.
        ProviderError: it was no JSON object, too large, or an error.
    """
    loop = asyncio.new_event_loop()
    try:
        answer = loop.run_until_complete(_ask(provider, url, form, auth, bearer))
    except (SourceUnreachable, OSError) as error:
        raise ProviderDown(f"{url}: {error}") from error
    except SourceError as error:
        raise ProviderError(f"{url}: {error}") from error
    finally:
        loop.close()  # asyncio.run would wait for a look-up of a name that nobody answers
    if not isinstance(answer, dict):
        raise ProviderError(f"{url}: the answer is no object.")
    return answer


async def _ask(
    provider: IdentityProvider,
    url: str,
    form: Mapping[str, str] | None,
    auth: tuple[str, str] | None,
    bearer: str,
) -> Any:
    async with make_client(_tls(provider.ca)) as client:
        return await HttpFetcher(client, LIMITS).json(url, form=form, auth=auth, bearer=bearer)


@lru_cache(maxsize=1)
def _tls(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca or None)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of one provider, or that it did not answer."""

    of: tuple[str, str]
    until: float
    metadata: dict[str, Any] | None


_known: _Known | None = None


def metadata_of(provider: IdentityProvider, *, anew: bool = False) -> dict[str, Any]:
    """The provider's addresses, as it publishes them; each is https, as the issuer is.

    Raises:
        ProviderError: they cannot be read, or cannot be right.
    """
    global _known
    if anew:
        _tls.cache_clear()
    of, now = (provider.issuer, provider.ca), time.monotonic()
    if _known is None or _known.of != of or _known.until <= now or anew:
        _known = _Known(of, now + DOWN_S, None)
        metadata = _read_metadata(provider)
        _known = _Known(of, now + KEPT_S, metadata)
    if _known.metadata is None:
        raise ProviderDown(f"{provider.issuer} did not answer a moment ago.")
    return _known.metadata


def _read_metadata(provider: IdentityProvider) -> dict[str, Any]:
    found = ask(provider, provider.issuer.rstrip("/") + DISCOVERY_PATH)
    if str(found.get("issuer", "")).rstrip("/") != provider.issuer.rstrip("/"):
        raise ProviderError(f"{provider.issuer} says that it is another issuer.")
    plain = any(provider.issuer.startswith(f"http://{host}") for host in (*LOOPBACK, "[::1]"))
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        if name == "userinfo_endpoint" and name not in found:
            continue
        if not is_trusted_address(found.get(name), plain=plain):
            raise ProviderError(f"{provider.issuer}: its {name} is no https address.")
    return found


def claims_of(
    id_token: object, metadata: Mapping[str, Any], keys: Mapping[str, Any], *, client_id: str, nonce: str
) -> dict[str, Any]:
    """What an ID token says, once everything about it is right.

    Raises:
        ProviderError: it is not.
    """
    import jwt

    if not isinstance(id_token, str):
        raise ProviderError("There is no ID token.")
    with refused_if_malformed():
        try:
            claims = _decoded(id_token, metadata, keys, client_id)
        except jwt.PyJWTError as error:
            raise ProviderError(f"The ID token is wrong: {type(error).__name__}.") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise ProviderError("The ID token is of another login.")
        party = claims.get("azp", client_id if isinstance(claims["aud"], str) or len(claims["aud"]) == 1 else "")
        if party != client_id:
            raise ProviderError("The ID token is for another program.")
        check_subject(claims["sub"])
    return claims


def _decoded(id_token: str, metadata: Mapping[str, Any], keys: Mapping[str, Any], client_id: str) -> dict[str, Any]:
    import jwt

    kid = jwt.get_unverified_header(id_token).get("kid")
    usable = [key for key in keys["keys"][:MOST_KEYS] if key.get("kty") in KINDS_OF_KEYS and key.get("use") != "enc"]
    of_token = [key for key in usable if kid is None or key.get("kid") == kid]
    if not of_token:
        raise ProviderError("The ID token is signed with a key that the provider does not publish.")
    last: Exception = jwt.InvalidSignatureError()
    for key in of_token:
        try:
            return jwt.decode(
                id_token,
                jwt.PyJWK.from_dict(key),
                algorithms=list(ALGORITHMS),
                audience=client_id,
                issuer=metadata["issuer"],
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.PyJWKError) as error:
            last = error
    raise last


def check_subject(subject: object) -> None:
    """Refuse a name for somebody that could not be kept, or that reads as another.

    Raises:
        ProviderError: it is none.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= UID_CHARS or not subject.isprintable():
        raise ProviderError("The ID token names nobody.")
