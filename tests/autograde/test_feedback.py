"""Feedback: formulas without a network, nothing that acts, and what to do next."""

import re

import pytest

from autograde.feedback.pages import formula, next_steps, to_html, with_capital


@pytest.mark.parametrize(
    "latex",
    [
        r"\hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}",
        r"\sum_{i=1}^{N} \frac{\partial L}{\partial x_{ij}}",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"r \leftarrow m\,r + (1 - m)\,\bar{x}, \quad \text{if } N \ge 2",
    ],
)
def test_formulas_become_mathml(latex):
    for source in (f"where ${latex}$ is", f"$$\n{latex}\n$$"):
        html = to_html(source)
        assert "<math" in html
        assert "\\" not in re.sub(r"<annotation.*?</annotation>", "", html)
        assert "$" not in html


@pytest.mark.parametrize("name", ["aligned", "align", "split", "cases", "matrix"])
def test_lines_of_a_formula_stand_below_each_other(name):
    html = to_html(rf"$$\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}$$")
    assert html.count("<mtr") == 2
    assert "amp" not in html


def test_a_block_is_a_block():
    assert 'display="block"' in to_html("$$x$$")
    assert 'display="inline"' in to_html("a $x$ b")


@pytest.mark.parametrize(
    "latex", [r"\frac{1", r"\nosuchcommand{x}", "", "{" * 3000, r"\href{javascript:1}{x}"]
)
def test_what_is_no_formula_is_shown_as_it_is(latex):
    html = formula(latex)
    assert "<script" not in html
    assert "javascript:" not in html or html.startswith("<code>")


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[here](javascript:alert(1))",
        "![a](https://elsewhere.example/pixel.png)",
        '<iframe src="//elsewhere.example"></iframe>',
        '<a href="x" onclick="alert(1)">x</a>',
        '<form action="/formgrader/api"><input type=submit></form>',
        "<style>body { display: none }</style>",
        '<p style="position: fixed">x</p>',
        r"$\text{<script>alert(1)</script>}$",
        r"$\text{<img src=x onerror=alert(1)>}$",
        '![$\\text{" onerror=alert(1) x="}$](data:image/png;base64,AAAA)',
        "<!-- --><svg onload=alert(1)>",
    ],
)
def test_an_answer_cannot_act_in_the_graders_browser(source):
    html = to_html(source)
    tags = " ".join(re.findall(r"<[^>]*>", html)).lower()
    for danger in ("<script", "<iframe", "<form", "<style", "<svg", "style=", "javascript:", "elsewhere"):
        assert danger not in tags
    assert not re.search(r"\son\w+\s*=", tags)


def test_ordinary_markdown_is_kept():
    html = to_html("# Title\n\n**bold** `code` [link](https://example.org)\n\n- item\n\n| a |\n|---|\n| 1 |")
    for part in ("<h1", "<strong>bold", "<code>code", 'href="https://example.org"', "<li>item", "<td>1"):
        assert part in html


@pytest.mark.parametrize("source", ["![a](attachment:missing.png)", "> " * 3000, "[" * 5000, "\ufffc0\ufffc"])
def test_any_text_is_shown(source):
    assert isinstance(to_html(source), str)


def part(points, most, mistakes=(), messages=("",), hint=""):
    results = [{"name": "dx", "passed": False, "message": message} for message in messages]
    return {"points": points, "max": most, "mistakes": list(mistakes), "results": results, "hint": hint}


@pytest.mark.parametrize(
    "sentence", ["dx is zero", "x is it", "dgamma and dbeta are", "running_var holds it"]
)
def test_names_keep_their_small_letter(sentence):
    assert with_capital(sentence) == sentence


def test_words_begin_with_a_capital():
    assert with_capital("eps is missing") == "Eps is missing"


def test_next_steps_name_the_mistake_or_what_failed_first():
    record = {
        "parts": {
            "a": part(10, 10),
            "b": part(5, 10, ["dx lacks the mean's path."], hint="Follow the mean."),
            "c": part(0, 10, messages=["received 1, expected 2", "other"]),
            "d": part(0, 10),
            "e": part(2, 10, ["dx is zero", "in test mode eps is missing", "x is changed in place"]),
        }
    }
    assert next_steps(record) == [
        ("test_b", "dx lacks the mean's path.", "Follow the mean."),
        ("test_c", "dx: received 1, expected 2.", ""),
        ("test_d", "dx.", ""),
        ("test_e", "dx is zero. In test mode eps is missing. x is changed in place.", ""),
    ]
    assert next_steps(record | {"failure": "no notebook"}) == []
