"""What all admin pages of the configuration have in common."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.forms import BaseInlineFormSet, BaseModelFormSet, Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from proxy.models import ConfigRevision


def link_to(row: Model | None) -> str:
    """A link to the row's admin page."""
    if row is None:
        return "-"
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, row)


def tell_refusal(request: HttpRequest) -> None:
    """Say on the page if the proxy goes on with an older configuration, and why."""
    state = ConfigRevision.objects.filter(pk=1).first()
    if state is None or not state.problems:
        return
    messages.error(
        request,
        _("The proxy goes on with the previous configuration. The newest cannot be used: %s")
        % " ".join(map(str, state.problems)),
    )


def label_fields(form: Form) -> None:
    """Label each field of a form that is shown as a table row: for screen readers the column's heading does not."""
    for field in form.fields.values():
        widget: Any = getattr(field.widget, "widget", field.widget)  # that of a related row is wrapped
        if field.label and not widget.is_hidden:
            widget.attrs.setdefault("aria-label", capfirst(field.label))


class LabelledFields:
    """For the forms of a set."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """The fields with their labels, also the one that deletes a row."""
        super().add_fields(form, index)  # type: ignore[misc]
        label_fields(form)


class LabelledFormSet(LabelledFields, BaseModelFormSet):  # type: ignore[type-arg]
    """The fields of a list that can be edited in place."""


class LabelledInlineFormSet(LabelledFields, BaseInlineFormSet):  # type: ignore[type-arg]
    """The rows of an inline table."""


class ConfigAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin page that says whether what is saved is in force."""

    save_on_top = True

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Fields in the list are labelled."""
        return super().get_changelist_formset(request, formset=LabelledFormSet, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the proxy's refusal above it."""
        return self._with_refusal(request, lambda: super(ConfigAdmin, self).changelist_view(request, extra_context))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form, with the proxy's refusal above it."""
        return self._with_refusal(
            request, lambda: super(ConfigAdmin, self).changeform_view(request, object_id, form_url, extra_context)
        )

    def _with_refusal(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method == "GET":
            tell_refusal(request)
        return view()


class OneRowPages:
    """For the admin of a table with a single row: its form is all there is."""

    model: Any
    opts: Any

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the form."""
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", "1")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The one row; with the defaults as long as it was never saved."""
        return self.model.load() if object_id == "1" else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is a single row: none can be added."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """There is a single row: it cannot be deleted."""
        return False


class NotEdited:
    """For the admin of rows that the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody edits one."""
        return False
