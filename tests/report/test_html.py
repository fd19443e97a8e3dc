"""Everything that is not markup of ours is text."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from mlphys.report.html import Html, element, joined, table, text
from mlphys.report.mathml import formula
from mlphys.report.page import Section, as_json, page

HOSTILE = "<script>alert(1)</script>\"'&"


def test_markup_in_a_text_is_text():
    assert text(HOSTILE) == "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;"


def test_a_sign_that_turns_the_direction_of_writing_is_written_out():
    assert text("a\u202eb") == "a\\u202eb"


@pytest.mark.parametrize(
    "made",
    [
        element("p", HOSTILE),
        element("p", title=HOSTILE),
        joined(HOSTILE, [HOSTILE]),
        table([HOSTILE, HOSTILE], [[HOSTILE, HOSTILE]], HOSTILE),
        formula(HOSTILE),
    ],
)
def test_no_way_of_making_html_lets_markup_through(made):
    assert "<script" not in made
    assert not re.search('"[^"<>]*onerror', made)


def test_elements_nest_and_attributes_that_are_none_are_left_out():
    made = element("p", element("b", "a"), " & ", None, class_="note", id=None, hidden=True)
    assert made == '<p class="note" hidden><b>a</b> &amp; </p>'
    assert element("img", src="data:x") == '<img src="data:x">'


def test_a_column_of_numbers_is_aligned_with_its_head_and_one_with_words_is_not():
    made = table(["a", "numbers", "words", "empty"], [["x", 1200, "3 seeds", "–"], ["y", "–", "none at all", "–"]])
    assert [each[1] or None for each in re.findall('<t(h|d)(?: scope="col")?( class="number")?>', made)] == [
        None, ' class="number"', None, None, *[' class="number"', None, None] * 2
    ]  # fmt: skip
    assert "1,200" in made


def test_json_in_a_script_element_ends_it_nowhere_and_is_read_back():
    data = {"</script><!--": ["&", "\u2028", 1.5]}
    written = as_json(data)
    assert not {"<", ">", "&", "\u2028"} & {*written}
    assert json.loads(written) == data


def test_the_policy_permits_the_style_and_the_script_of_the_page_and_nothing_else():
    made = page("t", Html(""), [Section("a", "A", Html("<p>b</p>"), {"n": 1})])
    style = re.search("<style>(.*?)</style>", made, re.DOTALL)[1]
    script = re.search("<script>(.*?)</script>", made, re.DOTALL)[1]
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, script)]
    assert re.search('Policy" content="([^"]*)"', made)[1] == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert made.index("Content-Security-Policy") < made.index("<style>")
    assert "eval(" not in script
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", made)


def test_a_formula_is_set_with_indices_powers_and_signs():
    made = formula("1/2 sum_k (p - t)^2\n+ 0.1 x 2 sum_ij (dh_j/dx_i)^2")
    assert made.count("<math") == 2
    assert "<msub><mo>∑</mo><mi>k</mi></msub>" in made
    assert "<msup><mo>)</mo><mn>2</mn></msup>" in made
    assert "<mn>0.1</mn><mo>×</mo><mn>2</mn>" in made
