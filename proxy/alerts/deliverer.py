"""Delivers messages one after the other, tries again what failed, and keeps a list of it all. Blocking, one thread."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error as DjangoError

from proxy.alerts import AlertAddress, AlertLevel, AlertMessage, Watch
from proxy.alerts.sending import send
from proxy.alerts.summary import compose
from proxy.models.alerts import AlertDelivery, DeliveryState

RETRY_S = (15.0, 60.0, 300.0, 900.0, 3600.0)
"""Wait before the second attempt, the third, ...; then a message is given up."""
MAX_WAITING = 500
RESUME_FOR = timedelta(hours=24)
"""After a restart, messages that were not delivered and are not older are tried again."""
KEEP_FOR, KEEP_ROWS = timedelta(days=90), 2000
TIDY_EVERY_S = 3600.0

Send = Callable[[str, str, str, AlertLevel], str]
"""Address, title, body, level; empty when it was taken, else what went wrong."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Delivery:
    """A message on its way."""

    message: AlertMessage
    due: float
    row: AlertDelivery | None = None
    attempts: int = 0


class Deliverer:
    """``take`` messages, call ``work`` when something may be due; ``addresses`` may be replaced at any time."""

    def __init__(self, *, clock: Watch, send: Send = send, compose: Callable[[float, float], str] = compose) -> None:
        self.addresses: Mapping[int, AlertAddress] = {}
        self._clock = clock
        self._send = send
        self._compose = compose
        self._deliveries: list[Delivery] = []
        self._tidy_at = clock.now()

    def resume(self) -> None:
        """Take on what the last run did not deliver.

        Raises:
            django.db.Error: the list cannot be read.
        """
        since = self._wall() - RESUME_FOR
        rows = AlertDelivery.objects.filter(state=DeliveryState.WAITING, at__gte=since, target__isnull=False).exclude(
            body=""
        )
        for row in rows.order_by("at")[:MAX_WAITING]:
            message = AlertMessage(
                target=row.target_id or 0,
                title=row.title,
                body=row.body,
                level=AlertLevel(row.level),
                kinds=(),
                at=row.at.timestamp(),
            )
            self._deliveries.append(Delivery(message=message, row=row, due=self._clock.now(), attempts=row.attempts))

    def take(self, message: AlertMessage) -> None:
        """Deliver ``message`` at the next ``work``; the oldest is given up where too many wait."""
        if len(self._deliveries) >= MAX_WAITING:
            self._finish(self._deliveries.pop(0), DeliveryState.FAILED, "Too many messages were waiting.")
        self._deliveries.append(Delivery(message=message, due=self._clock.now()))

    def work(self) -> float | None:
        """Try everything that is due; seconds until the next attempt, None if nothing waits."""
        now = self._clock.now()
        for delivery in [delivery for delivery in self._deliveries if delivery.due <= now]:
            self._try(delivery)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY_S
            self._guard(self._tidy)
        return min((max(0.0, delivery.due - self._clock.now()) for delivery in self._deliveries), default=None)

    def _try(self, delivery: Delivery) -> None:
        problem = self._complete(delivery)
        self._guard(lambda: self._note(delivery))
        address = self.addresses.get(delivery.message.target)
        if address is None:
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.FAILED, "The target was deleted or switched off.")
        if not problem:
            message = delivery.message
            problem = self._send(address.url, message.title, message.body, message.level)
        delivery.attempts += 1
        if not problem:
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.SENT, "")
        _logger.warning("Alert for %s not delivered (attempt %d): %s", address.label, delivery.attempts, problem)
        if delivery.attempts > len(RETRY_S):
            self._deliveries.remove(delivery)
            return self._finish(delivery, DeliveryState.FAILED, problem)
        delivery.due = self._clock.now() + RETRY_S[delivery.attempts - 1]
        return self._finish(delivery, DeliveryState.WAITING, problem)

    def _complete(self, delivery: Delivery) -> str:
        """Write a summary's text; what went wrong, if anything did."""
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

    def _note(self, delivery: Delivery) -> None:
        """Put the message on the list, if it is not there yet."""
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
            )

    def _finish(self, delivery: Delivery, state: DeliveryState, problem: str) -> None:
        row = delivery.row
        if row is None:
            return
        row.state, row.attempts, row.problem, row.body = state, delivery.attempts, problem[:300], delivery.message.body
        row.done_at = None if state is DeliveryState.WAITING else self._wall()
        self._guard(row.save)

    def _tidy(self) -> None:
        """Let old entries of the list go."""
        AlertDelivery.objects.filter(at__lt=self._wall() - KEEP_FOR).delete()
        surplus = AlertDelivery.objects.order_by("-at", "-id").values_list("id", flat=True)[KEEP_ROWS : KEEP_ROWS + 500]
        AlertDelivery.objects.filter(id__in=list(surplus)).delete()

    def _guard(self, call: Callable[[], object]) -> None:
        """The list is not worth a message: where it cannot be written, the message goes out all the same."""
        try:
            call()
        except DjangoError as error:
            _logger.warning("The list of alerts cannot be written: %s", error)

    def _wall(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)
