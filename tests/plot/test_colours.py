"""A colour means one thing: whose curve it is, or which normalization."""

import colorsys
import re
from pathlib import Path

import pytest

from lab.plot.colours import NORMALIZATIONS, ROLES

ASSETS = Path(__file__).resolve().parents[2] / "assets"
DARK = 'body[data-jp-theme-light="false"]'
GREY = 0.1  # saturation under which a colour has no hue
APART = 15 / 360  # of the circle of hues


def in_sheet(name):
    """The colours of a style sheet in the light and in the dark theme, by name."""
    light, dark = (ASSETS / name).read_text("utf-8").split(DARK, 1)
    return [dict(re.findall(r"--lab-(\w+): (#\w{6})", part)) for part in (light, dark)]


def hue(colour):
    """From 0 to 1, None for a grey."""
    h, _, s = colorsys.rgb_to_hls(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    return h if s > GREY else None


def contrast(colour, ground):
    """WCAG 2.1's ratio of relative luminances."""
    lights = []
    for one in (colour, ground):
        parts = [int(one[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_style_sheets_have_the_same_colours():
    roles, of_norms = in_sheet("explorer.css")[0], in_sheet("sweep.css")[0]
    assert {role: roles[role] for role in ROLES} == {role: c.lower() for role, c in ROLES.items()}
    assert of_norms == {norm or "none": colour.lower() for norm, colour in NORMALIZATIONS.items()}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_normalizations_have_hues_that_no_role_has(theme):
    """So nobody takes a layer norm in a sweep for a pinned run; and each is seen on its ground."""
    roles = [hue(colour) for sheet in in_sheet("explorer.css") for colour in sheet.values()]
    norms = in_sheet("sweep.css")[theme]
    assert set(norms) == {norm or "none" for norm in NORMALIZATIONS}
    for name, colour in norms.items():
        others = [h for h in roles if h is not None] + [hue(c) for n, c in norms.items() if n != name]
        distances = [min(abs(hue(colour) - other), 1 - abs(hue(colour) - other)) for other in others]
        assert min(distances) > APART, name
        assert contrast(colour, ("#ffffff", "#111111")[theme]) > 3, name
