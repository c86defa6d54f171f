"""Pushes one message to one browser through the service that the browser named. Blocking, ``LIMIT_S`` at most after
the look-up of its name. Loaded with the first message to a browser.

The address comes from a person's browser, so it is as hostile as one: https by name only, to addresses of the public
internet only, which are looked up once and connected to as they were checked; nothing of the answer but its status is
read, and no redirect is followed.
"""

import asyncio
import hashlib
import ipaddress
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import Error as DjangoError
from django.db.models import F
from django.utils import timezone

from proxy.alerts import web_push
from proxy.alerts.rules import AlertKind, AlertLevel, AlertMessage, TargetGone
from proxy.alerts.texts import TEST_TEXT, TEST_TITLE
from proxy.models.alerts import AlertTarget
from proxy.models.push import PushKey, PushSubscription
from proxy.net.http_client import USER_AGENT, make_client

LIMIT_S = 10.0
DAY_S = 86_400
BLOCK_TTL_S = 28 * DAY_S
"""A found block is told however late the browser is started; anything else is stale after a day."""
CONTACT = "https://github.com/ckryza/dpmpv2"
"""Whom the operator of a push service can ask about us (RFC 8292, section 2.1): the software, not its user."""
SUMMARIES = (AlertKind.DAILY, AlertKind.WEEKLY)
PAGES = {
    AlertKind.BLOCK_FOUND: "records/",
    AlertKind.BEST_SHARE: "records/",
    AlertKind.POOL_DOWN: "pools/",
    AlertKind.PAYOUT: "pools/",
    AlertKind.CHAIN: "pools/",
    AlertKind.WORKER_OFFLINE: "workers/",
    AlertKind.WORKER_SILENT: "workers/",
}
"""What a press on the message opens, below the dashboard; else its first page."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_logger = logging.getLogger(__name__)


def is_public(text: str) -> bool:
    """Whether an address is of the public internet, also by what it stands for (IPv4 inside of IPv6)."""
    address: _Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if address.ipv4_mapped is not None:
            return True
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How push services are reached."""

    look_up: Callable[[str, int], list[str]] = look_up
    may_reach: Callable[[str], bool] = is_public
    any_port: bool = False
    trust: ssl.SSLContext | None = None
    """None: the authorities that everybody trusts."""
    limit_s: float = LIMIT_S


INTERNET = Network()


def push(url: str, message: AlertMessage, network: Network = INTERNET) -> str:
    """Push ``message`` to the browser of the alert target ``url``. Returns "" when its service took it, else why not.

    Raises:
        TargetGone: the browser has ended its subscription, or its person may not be told any more; it was removed.
    """
    try:
        found = PushSubscription.objects.select_related("user", "target").filter(target__url=url).first()
        if found is None:
            raise _removed(url, "This browser is not notified any more.")
        if not found.is_allowed:
            raise _removed(url, "Its person has another password or may not see the dashboard any more.")
        key = PushKey.load()
    except DjangoError as error:
        return f"The browser's keys cannot be read: {error}"
    status, problem = _post(found, message, key, network)
    if status in (404, 410):
        raise _removed(url, "The browser has ended its subscription.")
    _note(found, bool(problem))
    return problem


def push_test(url: str, network: Network = INTERNET) -> str:
    """Push a message that says it is a test; as ``push``, but gone is a problem like others."""
    test = AlertMessage(
        target=0,
        title=TEST_TITLE,
        body=TEST_TEXT,
        level=AlertLevel.INFO,
        kinds=(),
        at=time.time(),
    )
    try:
        return push(url, test, network)
    except TargetGone as gone:
        return str(gone)


def _post(found: PushSubscription, message: AlertMessage, key: bytes, network: Network) -> tuple[int, str]:
    try:
        host, port = web_push.check_endpoint(found.endpoint, any_port=network.any_port)
        addresses = network.look_up(host, port)
        refused = [address for address in addresses if not network.may_reach(address)]
        if refused or not addresses:
            return 0, f"{host} is no address of the public internet."
        headers, body = _sealed(found, message, key)
        status = asyncio.run(_send(found.endpoint, host, addresses, headers, body, network))
    except web_push.BadSubscription as error:
        return 0, str(error)
    except TimeoutError:
        return 0, f"{host} did not answer within {network.limit_s:g} seconds."
    except (OSError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as error:
        return 0, f"No connection to {host}: {type(error).__name__}."
    return status, "" if 200 <= status < 300 else f"{host} answered HTTP {status}."


def _sealed(found: PushSubscription, message: AlertMessage, key: bytes) -> tuple[dict[str, str], bytes]:
    kinds = message.kinds
    # What is sent twice, because an answer was lost, replaces itself; so does a summary that nobody has seen yet.
    name = kinds[0].value if kinds and kinds[0] in SUMMARIES else f"{message.at}\n{message.title}\n{message.body}"
    topic = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]
    page = next((PAGES[kind] for kind in kinds if kind in PAGES), "")
    is_block = AlertKind.BLOCK_FOUND in kinds
    tag = f"block-{topic}" if is_block else topic  # a page that is open in the browser tells of a block too
    text = web_push.payload(title=message.title, body=message.body, tag=tag, page=page, level=message.level.value)
    point, secret = web_push.check_keys(found.p256dh, found.auth)
    body = web_push.encrypt(
        text, receiver=point, auth=secret, sender=ec.generate_private_key(ec.SECP256R1()), salt=os.urandom(16)
    )
    urgent = is_block or message.level is AlertLevel.BAD
    origin = f"https://{urlsplit(found.endpoint).netloc.lower().removesuffix(':443')}"
    headers = {
        "Authorization": web_push.authorization(web_push.private_key(key), origin, CONTACT, time.time()),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(BLOCK_TTL_S if is_block else DAY_S),
        "Urgency": "high" if urgent else "normal",
        "Topic": topic,
    }
    return headers, body


async def _send(
    endpoint: str, host: str, addresses: list[str], headers: dict[str, str], body: bytes, network: Network
) -> int:
    """The status of the answer; the addresses are tried one after the other while none can be connected to."""
    url = httpx.URL(endpoint)
    headers = {**headers, "Host": url.netloc.decode(), "User-Agent": USER_AGENT}
    async with asyncio.timeout(network.limit_s), make_client(network.trust) as ask:
        for last, address in enumerate(addresses, 1 - len(addresses)):
            request = ask.build_request(
                "POST", url.copy_with(host=address), headers=headers, content=body, extensions={"sni_hostname": host}
            )
            try:
                response = await ask.send(request, stream=True, follow_redirects=False)
            except httpx.ConnectError:
                if last == 0:
                    raise
                continue
            await response.aclose()
            return response.status_code
    raise OSError("no address")  # pragma: no cover - the loop returns or raises


def _removed(url: str, why: str) -> TargetGone:
    try:
        for target in AlertTarget.objects.filter(url=url):
            target.delete()
    except DjangoError as error:
        _logger.warning("A browser that takes no messages any more cannot be removed: %s", error)
    return TargetGone(why)


def _note(found: PushSubscription, failed: bool) -> None:
    change = {"failures": F("failures") + 1} if failed else {"failures": 0, "last_success_at": timezone.now()}
    try:
        PushSubscription.objects.filter(pk=found.pk).update(**change)
    except DjangoError as error:
        _logger.warning("What a browser took cannot be written: %s", error)
