"""Writes every change by a person to the audit log: steering, rows edited in the admin, second factors."""

from typing import Any

from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.socialaccount.signals import social_account_added
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from dashboard.models import AuditEntry
from proxy.ops.steering import steered


@receiver(steered, dispatch_uid="dashboard.audit.steered")
def on_steered(*, by: str, action: str, subject: str, old: str, new: str, **_: Any) -> None:
    """Runs inside the transaction of a steering function, so that change and entry are saved together or not at all."""
    AuditEntry.write(by=by, action=action, subject=subject, old=old, new=new)


@receiver(post_save, sender=LogEntry, dispatch_uid="dashboard.audit.admin")
def on_admin_change(instance: LogEntry, created: bool, **_: Any) -> None:
    """Runs for each add, change and delete in the admin; the admin's own text says which fields changed."""
    if created:
        model = instance.content_type.name if instance.content_type else ""
        AuditEntry.write(
            by=instance.user.get_username(),
            action=_ADMIN_ACTIONS.get(instance.action_flag, "change"),
            subject=f"{model} {instance.object_repr}".strip(),
            new=instance.get_change_message(),
        )


@receiver(user_logged_in, dispatch_uid="dashboard.audit.login")
def on_login(request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Runs after a login: the list of sessions shows its address and browser, and those that have expired go."""
    if request is not None and hasattr(request, "session"):
        request.session["address"] = request.META.get("REMOTE_ADDR", "")
        request.session["browser"] = request.headers.get("User-Agent", "")[:200]
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


@receiver(mfa.authenticator_added, dispatch_uid="dashboard.audit.factor_added")
def on_factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    """Runs when somebody has set up an app, a passkey or recovery codes."""
    AuditEntry.write(by=user.get_username(), action="add second factor", subject=str(authenticator))


@receiver(mfa.authenticator_reset, dispatch_uid="dashboard.audit.factor_reset")
def on_factor_reset(user: User, authenticator: Authenticator, **_: Any) -> None:
    """Runs when somebody has made new recovery codes."""
    AuditEntry.write(by=user.get_username(), action="renew second factor", subject=str(authenticator))


@receiver(mfa.authenticator_removed, dispatch_uid="dashboard.audit.factor_removed")
def on_factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    """Runs when somebody has removed one of their own."""
    AuditEntry.write(by=user.get_username(), action="remove second factor", subject=str(authenticator))


@receiver(mfa.authentication_failed, dispatch_uid="dashboard.audit.factor_failed")
def on_wrong_code(user: User, **_: Any) -> None:
    """Runs after a wrong code: whoever enters one knows the password."""
    AuditEntry.write(by=user.get_username(), action="wrong second factor")


@receiver(social_account_added, dispatch_uid="dashboard.audit.provider_linked")
def on_provider_linked(sociallogin: Any, **_: Any) -> None:
    """Runs when an account of the identity provider begins to open one here."""
    AuditEntry.write(
        by=sociallogin.user.get_username(), action="link identity provider", subject=sociallogin.account.uid
    )


_ADMIN_ACTIONS = {1: "add", 2: "change", 3: "delete"}
