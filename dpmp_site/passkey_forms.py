"""Forms that take a passkey's answer: a stranger may send anything as one, and that is wrong, no error of ours."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django.core.exceptions import ValidationError

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error)
"""What allauth 65.22 and fido2 2.2 raise about a passkey's answer that is none, beside their own errors."""


@contextmanager
def _refused_if_malformed() -> Iterator[None]:
    try:
        yield
    except ValidationError:
        raise
    except MALFORMED as error:
        raise get_adapter().validation_error("incorrect_code") from error


class AnotherPasskey(AddWebAuthnForm):  # type: ignore[misc]
    """A passkey to be added."""

    def clean(self) -> Any:
        """Its answer and its name."""
        with _refused_if_malformed():
            return super().clean()


class _KnownPasskey:
    """A passkey of somebody's."""

    def clean_credential(self) -> Authenticator:
        """Whose it is."""
        with _refused_if_malformed():
            return super().clean_credential()  # type: ignore[misc]


class PasskeyAlone(_KnownPasskey, LoginWebAuthnForm):  # type: ignore[misc]
    """A passkey in place of name and password."""


class PasskeyAfterPassword(_KnownPasskey, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey as the second factor."""


class PasskeyAgain(_KnownPasskey, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey before something about the account is changed."""
