"""Delivers messages one after the other, retries failures and records each delivery. Blocking, one thread."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error as DjangoError

from proxy.alerts.rules import AlertAddress, AlertKind, AlertLevel, AlertMessage, TargetGone
from proxy.alerts.sending import send
from proxy.alerts.summary import compose
from proxy.models.alerts import AlertDelivery, DeliveryState, is_browser
from proxy.ports import TimeSource

RETRY_S = (15.0, 60.0, 300.0, 900.0, 3600.0)
"""Wait before the second attempt, the third, ...; then the delivery has failed."""
MAX_WAITING = 500
RESUME_FOR = timedelta(hours=24)
"""After a restart, undelivered messages that are not older are tried again."""
KEEP_FOR, KEEP_ROWS = timedelta(days=90), 2000
CLEAN_EVERY_S = 3600.0

Send = Callable[[str, str, str, AlertLevel], str]
"""(Address, title, body, level) -> "" when it was accepted, else what went wrong."""
Push = Callable[[str, AlertMessage], str]
"""The same for a browser; raises TargetGone."""

_logger = logging.getLogger(__name__)


def push(url: str, message: AlertMessage) -> str:
    """Push to a browser; loaded with the first message to one."""
    from proxy.alerts.push_sending import push as now

    return now(url, message)


@dataclass(slots=True, kw_only=True)
class Delivery:
    """A message on its way."""

    message: AlertMessage
    due: float
    row: AlertDelivery | None = None
    attempts: int = 0


class Deliverer:
    """Give messages to ``accept`` and call ``deliver_due`` often; ``addresses`` may be replaced at any time."""

    def __init__(
        self,
        *,
        clock: TimeSource,
        send: Send = send,
        push: Push = push,
        compose: Callable[[float, float], str] = compose,
        node: str = "",
    ) -> None:
        """``node``: whose messages these are; each of several nodes goes on with its own after a restart."""
        self._node = node
        self.addresses: Mapping[int, AlertAddress] = {}
        self._clock = clock
        self._send, self._push = send, push
        self._compose = compose
        self._deliveries: list[Delivery] = []
        self._clean_at = clock.now()

    def resume(self) -> None:
        """Queue what the last run did not deliver.

        Raises:
            django.db.Error: the list cannot be read.
        """
        since = self._wall() - RESUME_FOR
        waiting = AlertDelivery.objects.filter(node=self._node, state=DeliveryState.WAITING)
        rows = waiting.filter(at__gte=since, target__isnull=False).exclude(body="")
        for row in rows.order_by("at")[:MAX_WAITING]:
            message = AlertMessage(
                target=row.target_id or 0,
                title=row.title,
                body=row.body,
                level=AlertLevel(row.level),
                kinds=tuple(AlertKind(kind) for kind in row.kinds.split() if kind in set(AlertKind)),
                at=row.at.timestamp(),
            )
            self._deliveries.append(Delivery(message=message, row=row, due=self._clock.now(), attempts=row.attempts))

    def accept(self, message: AlertMessage) -> None:
        """Queue ``message``; where too many wait, the oldest fails."""
        if len(self._deliveries) >= MAX_WAITING:
            self._finish(self._deliveries.pop(0), DeliveryState.FAILED, "Too many messages were waiting.")
        self._deliveries.append(Delivery(message=message, due=self._clock.now()))

    def deliver_due(self) -> float | None:
        """Try all deliveries that are due. Returns seconds until the next attempt; None if nothing waits."""
        now = self._clock.now()
        due = [delivery for delivery in self._deliveries if delivery.due <= now]
        for delivery in sorted(due, key=self._is_to_browser):  # people choose these addresses: the others come first
            self._try(delivery)
        if now >= self._clean_at:
            self._clean_at = now + CLEAN_EVERY_S
            self._record(self._delete_old)
        return min((max(0.0, delivery.due - self._clock.now()) for delivery in self._deliveries), default=None)

    def _try(self, delivery: Delivery) -> None:
        problem = self._write_summary(delivery)
        self._record(lambda: self._create_row(delivery))
        address = self.addresses.get(delivery.message.target)
        if address is None:
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.FAILED, "The target was deleted or switched off.")
        delivery.attempts += 1
        try:
            problem = problem or self._send_to(address, delivery.message)
        except TargetGone as gone:
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.FAILED, str(gone))
        if not problem:
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.SENT, "")
        _logger.warning("Alert for %s not delivered (attempt %d): %s", address.label, delivery.attempts, problem)
        if delivery.attempts > len(RETRY_S):
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.FAILED, problem)
        delivery.due = self._clock.now() + RETRY_S[delivery.attempts - 1]
        return self._finish(delivery, DeliveryState.WAITING, problem)

    def _is_to_browser(self, delivery: Delivery) -> bool:
        address = self.addresses.get(delivery.message.target)
        return address is not None and is_browser(address.url)

    def _send_to(self, address: AlertAddress, message: AlertMessage) -> str:
        if is_browser(address.url):
            return self._push(address.url, message)
        return self._send(address.url, message.title, message.body, message.level)

    def _write_summary(self, delivery: Delivery) -> str:
        """Fill in the body of a summary. Returns what went wrong, or ""."""
        message = delivery.message
        if message.period is None or message.body:
            return ""
        try:
            body = self._compose(*message.period)
        except DjangoError as error:
            return f"The history cannot be read: {error}"
        delivery.message = AlertMessage(
            target=message.target,
            title=message.title,
            body=body,
            level=message.level,
            kinds=message.kinds,
            at=message.at,
        )
        return ""

    def _create_row(self, delivery: Delivery) -> None:
        """Record the delivery, if it is not recorded yet."""
        message, address = delivery.message, self.addresses.get(delivery.message.target)
        if delivery.row is None and address is not None:
            delivery.row = AlertDelivery.objects.create(
                target_id=message.target,
                target_label=address.label,
                kinds=" ".join(message.kinds),
                level=message.level.value,
                title=message.title[:250],
                body=message.body,
                at=datetime.fromtimestamp(message.at, UTC),
                node=self._node,
            )

    def _finish(self, delivery: Delivery, state: DeliveryState, problem: str) -> None:
        row = delivery.row
        if row is None:
            return
        row.state, row.attempts, row.problem, row.body = state, delivery.attempts, problem[:300], delivery.message.body
        row.done_at = None if state is DeliveryState.WAITING else self._wall()
        # Not the target: it may have been deleted meanwhile.
        self._record(lambda: row.save(update_fields=["state", "attempts", "problem", "body", "done_at"]))

    def _delete_old(self) -> None:
        """Delete old records."""
        AlertDelivery.objects.filter(at__lt=self._wall() - KEEP_FOR).delete()
        excess = AlertDelivery.objects.order_by("-at", "-id").values_list("id", flat=True)[KEEP_ROWS : KEEP_ROWS + 500]
        AlertDelivery.objects.filter(id__in=list(excess)).delete()

    def _record(self, call: Callable[[], object]) -> None:
        """Write a record; if the database refuses, the message goes out all the same."""
        try:
            call()
        except DjangoError as error:
            _logger.warning("The list of alerts cannot be written: %s", error)

    def _wall(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)
