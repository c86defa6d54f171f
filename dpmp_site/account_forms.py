"""Forms of logins: the names of the fields as they always were, and tries at the second factor that are counted."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm
from allauth.core import context, ratelimit
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm

from dpmp_site.known_browsers import known_browser


class NameAndPassword(LoginForm):  # type: ignore[misc]
    """The login page's form; browsers have kept passwords for a field called ``username``."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs |= {"autofocus": True, "autocapitalize": "none", "maxlength": 150}
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def add_prefix(self, field_name: str) -> str:
        """The name of a field in the page."""
        return "username" if field_name == "login" else str(super().add_prefix(field_name))


class _CountedTries:
    """Five wrong codes in five minutes; for strangers' browsers together, and for each that the person has used before.

    So whoever has the password cannot go through the codes, and cannot keep its owner from entering one.
    """

    def clean_code(self) -> str:
        """The code, unless it is wrong or was tried too often."""
        person, request = self.user, context.request  # type: ignore[attr-defined]
        key = f"{person.pk} {known_browser(request, person.get_username())}"
        if not ratelimit.consume(request, action="second_factor", key=key):
            raise get_adapter().validation_error("too_many_login_attempts")
        code: str = super().clean_code()  # type: ignore[misc]
        ratelimit.clear(request, action="second_factor", key=key)
        return code


class SecondFactorCode(_CountedTries, AuthenticateForm):  # type: ignore[misc]
    """A code of the app, or a recovery code, after the password."""


class CodeAgain(_CountedTries, ReauthenticateForm):  # type: ignore[misc]
    """The same, before something about the account is changed."""
