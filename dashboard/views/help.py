"""The documentation inside the dashboard: the pages of ``docs/`` and the files beside them."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from dashboard import docs, live
from dashboard.access import SEE, needs


@require_GET
@needs(SEE)
def page(request: HttpRequest, slug: str) -> HttpResponseBase:
    """One page of the documentation."""
    found = docs.page_of(slug)
    if found is None:
        raise Http404
    return render(request, "dashboard/help_doc.html", {"snap": live.snapshot(), "page": found, "pages": docs.pages()})


@require_GET
@needs(SEE)
def file(request: HttpRequest, name: str) -> HttpResponseBase:
    """A file that the documentation points to, to be saved."""
    path = docs.folder() / "monitoring" / name
    if name not in docs.FILES or not path.is_file():
        raise Http404
    return HttpResponse(
        path.read_bytes(),
        content_type=docs.FILES[name],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
