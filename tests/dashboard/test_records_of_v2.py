"""Records shows what v2 noted as best shares, said to be what they are, and nothing where none was imported."""

from proxy.models.history import V2BestShare


def test_imported_numbers_stand_apart_from_the_records(browser_of):
    V2BestShare.objects.create(worker="AvalonQ", assigned_difficulty=52_700.0)
    html = browser_of("viewer").get("/records/").content.decode()
    _, _, section = html.partition('id="v2-h"')
    assert "Assigned difficulty" in section and "AvalonQ" in section and "52.7" in section
    assert "cannot be compared" in section


def test_nothing_is_said_of_v2_where_nothing_was_imported(browser_of):
    assert "DPMP v2" not in browser_of("viewer").get("/records/").content.decode()


def test_wallet_as_a_name_is_not_shown_by_a_link(link_browser):
    V2BestShare.objects.create(worker="bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", assigned_difficulty=1.0)
    assert "bc1qar0" not in link_browser[0].get("/records/").content.decode()
