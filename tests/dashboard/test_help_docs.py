"""The documentation in Help: each page of docs/, its links and tables, and nothing that a browser would obey."""

import re
from urllib.parse import urldefrag

import pytest

from dashboard import docs

LINK = re.compile(r'href="([^"]+)"')
MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)]+)\)")


@pytest.fixture
def viewer(browser_of):
    return browser_of("viewer")


def test_help_lists_every_page_of_the_folder(viewer):
    assert set(docs.SLUGS) == {path.stem for path in docs.folder().glob("*.md")}
    html = viewer.get("/help/").content.decode()
    for slug in docs.SLUGS:
        assert f'href="/help/{slug}/"' in html


@pytest.mark.no_cover
@pytest.mark.parametrize("slug", docs.SLUGS)
def test_page_is_shown_with_its_title_and_nothing_inline(viewer, slug):
    response = viewer.get(f"/help/{slug}/")
    assert response.status_code == 200
    html = response.content.decode()
    title = (docs.folder() / f"{slug}.md").read_text().partition("\n")[0].removeprefix("# ")
    page = docs.page_of(slug)
    assert page.title == title and html.count("<h1>") == 1
    assert not re.search(r"<(script|style|img|iframe)\b|\sstyle=|\son\w+=|<!--", page.body)
    assert "](" not in re.sub(r"<code>.*?</code>", "", page.body, flags=re.DOTALL), "every link was understood"


@pytest.mark.parametrize("slug", docs.SLUGS)
def test_every_link_of_a_page_leads_somewhere_here_and_beside_the_source(viewer, slug):
    text = (docs.folder() / f"{slug}.md").read_text()
    for link in MARKDOWN_LINK.findall(text):
        assert docs.address(link), link
        if "://" not in link:
            assert (docs.folder() / urldefrag(link).url).exists(), link
    for link in LINK.findall(docs.page_of(slug).body):
        if link.startswith("/"):
            assert viewer.get(urldefrag(link).url).status_code == 200, link


@pytest.mark.no_cover
@pytest.mark.parametrize("slug", ["nothing", "README", "monitoring", "operations-md"])
def test_unknown_page_is_not_found(viewer, slug):
    assert viewer.get(f"/help/{slug}/").status_code == 404


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml", "prometheus.yml"])
def test_files_beside_the_pages_can_be_saved(viewer, name):
    response = viewer.get(f"/help/monitoring/{name}")
    assert response.status_code == 200 and "attachment" in response["Content-Disposition"]
    assert response.content == (docs.folder() / "monitoring" / name).read_bytes()


@pytest.mark.parametrize("name", ["other.yml", "..%2Fsecurity.md", "..", "%2Fetc%2Fpasswd"])
def test_no_other_file_can_be_fetched(viewer, name):
    assert viewer.get(f"/help/monitoring/{name}").status_code == 404


def test_table_scrolls_by_itself_and_has_a_name():
    html = docs.render("| a `x` | b |\n|---|--:|\n| 1 | 2 |\n\nafter")
    assert '<div aria-label="a x, b" class="scroll" role="region" tabindex="0">' in html.replace("\n", "") or (
        'class="scroll"' in html and 'aria-label="a x, b"' in html
    )
    assert html.count("<table>") == 1 and "style" not in html and "<p>after</p>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <b onclick=x>b</b>",
        "<style>p{}</style>",
        "<div style='x'>\n\ny\n\n</div>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hello)",
        "<javascript:alert(1)>",
    ],
)
def test_html_in_a_page_is_shown_and_not_obeyed(text):
    html = docs.render(text)
    assert not re.search(r"<(script|style|b|div)\b|href=\"(javascript|data)", html)


def test_links_lead_to_help_and_keep_their_anchor():
    assert docs.address("reverse-proxy.md") == "/help/reverse-proxy/"
    assert docs.address("security.md#people") == "/help/security/#people"
    assert docs.address("#people") == "#people"
    assert docs.address("https://example.org/") == "https://example.org/"
    assert docs.address("../manage.py") == docs.address("monitoring/x.yml") == docs.address("javascript:x") == ""


def test_headings_can_be_linked_to():
    assert 'id="by-symptom"' in docs.page_of("troubleshooting").body


def test_help_works_where_the_pages_are_missing(viewer, settings, tmp_path):
    settings.RESOURCES = tmp_path
    assert viewer.get("/help/").status_code == 200
    assert viewer.get("/help/security/").status_code == 404
