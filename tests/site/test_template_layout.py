"""The templates are laid out as a reader expects: indented by what is open, no line too long."""

import pytest

from tests.support.template_layout import main, problems


def test_every_template_is_laid_out_well(capsys):
    assert main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "text, line",
    [
        ("<p>" + 160 * "x" + "</p>", 1),
        ("<div>\n<p>x</p>\n</div>", 2),
        ("<div>\n  <p>x</p>\n  </div>", 3),
        ("{% if x %}\nx\n{% else %}\n  y\n{% endif %}", 2),
        ("<p>x</p> ", 1),
        ("<div>\n   <br>\n</div>", 2),
        ("<div>\n  <p>x\n</div>", 3),
        ("<div>", 1),
    ],
)
def test_what_is_laid_out_badly_is_found(text, line):
    assert line in [number for number, _problem in problems(text)]


@pytest.mark.parametrize(
    "text",
    [
        "{% if x %}\n  x\n{% else %}\n  <b>y</b>\n{% endif %}\n",
        '<div{% if x > 1 %} class="a"{% endif %}\n    id="b">\n  <input name="c">\n</div>\n',
        "<p>\n  {% blocktranslate trimmed %} a\n  {% plural %}\n  b {% endblocktranslate %}\n</p>\n",
    ],
)
def test_what_is_laid_out_well_is_left_alone(text):
    assert list(problems(text)) == []
