"""Browsers that alerts are pushed to, and the key that their push services know us by. No part of any export."""

import hashlib
import secrets

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.models.alerts import BROWSER_SCHEME, AlertTarget

MAY_SEE = "dashboard.see"


class PushKey(models.Model):
    """The private key that signs pushed messages (VAPID), made once: subscriptions of browsers are bound to it."""

    private = models.CharField(max_length=64, editable=False)
    """base64url; a secret like a pool's password."""
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("key for browsers"), _("keys for browsers")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="push_key_one_row")]

    def __str__(self) -> str:
        return str(_("key for browsers"))

    @classmethod
    def load(cls) -> bytes:
        """The private key, of 32 bytes; it is made the first time."""
        from cryptography.hazmat.primitives.asymmetric import ec

        from proxy.alerts.web_push import b64, private_bytes, unb64

        row = cls.objects.filter(pk=1).first()
        if row is None:
            made = b64(private_bytes(ec.generate_private_key(ec.SECP256R1())))
            try:
                with transaction.atomic():
                    row = cls.objects.create(pk=1, private=made)
            except IntegrityError:  # another process was faster
                row = cls.objects.get(pk=1)
        return unb64(row.private)


class PushSubscription(models.Model):
    """One browser of a person; its alert target is what rules, limits and the list of alerts know of it."""

    MOST, MOST_OF_ALL = 5, 100
    """Of one person; of all."""

    target = models.OneToOneField(AlertTarget, models.CASCADE, related_name="subscription", editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="push_subscriptions", editable=False
    )
    endpoint = models.TextField(editable=False)
    """Whoever knows it and the keys can send: a secret."""
    handle = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of the endpoint: names it without giving it away."""
    p256dh = models.CharField(max_length=120, editable=False)
    auth = models.CharField(max_length=40, editable=False)
    password_mark = models.CharField(max_length=64, editable=False)
    """The person's session hash when it was made: a new password ends it, as it ends sessions and tokens."""
    browser = models.CharField(_("browser"), max_length=60, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    last_success_at = models.DateTimeField(_("last message taken"), null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(_("failures since"), default=0, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("browser that is notified"), _("browsers that are notified")
        default_permissions = ()
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.target.label

    @classmethod
    def add(cls, user: AbstractUser, *, endpoint: str, p256dh: str, auth: str, browser: str) -> "PushSubscription":
        """Subscribe a browser of ``user``; one that is known already is replaced, whoever it was of.

        Raises:
            BadSubscription: address or keys cannot be those of a browser.
            ValidationError: there are too many already.
        """
        from proxy.alerts.web_push import check_endpoint, check_keys

        check_endpoint(endpoint)
        check_keys(p256dh, auth)
        handle = hashlib.sha256(endpoint.encode()).hexdigest()
        with transaction.atomic():
            type(user)._default_manager.select_for_update().get(pk=user.pk)
            for known in AlertTarget.objects.filter(subscription__handle=handle):
                known.delete()
            if cls.objects.filter(user=user).count() >= cls.MOST or cls.objects.count() >= cls.MOST_OF_ALL:
                raise ValidationError(gettext("Too many browsers are notified already. Remove one first."))
            target = AlertTarget(
                label=_free_label(f"{user.get_username()}: {browser}"),
                url=f"{BROWSER_SCHEME}://{secrets.token_hex(8)}",
            )
            target.is_browser_to_be = True
            target.save()
            return cls.objects.create(
                target=target,
                user=user,
                endpoint=endpoint,
                handle=handle,
                p256dh=p256dh,
                auth=auth,
                browser=browser,
                password_mark=user.get_session_auth_hash(),
            )

    @property
    def is_allowed(self) -> bool:
        """Whether its person may still be told what the pages show."""
        user = self.user
        same = self.password_mark == user.get_session_auth_hash()
        return bool(user.is_active and same and user.has_perm(MAY_SEE))


def _free_label(wanted: str) -> str:
    taken = set(AlertTarget.objects.filter(label__startswith=wanted[:70]).values_list("label", flat=True))
    names = [wanted[:76], *(f"{wanted[:74]} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)
