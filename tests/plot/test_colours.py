"""A colour means one thing: whose curve it is, or which normalization."""

import colorsys
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lab.live.sweep.axes import AXES
from lab.nn import layers
from lab.plot.colours import NORMALIZATIONS, ROLES
from lab.plot.sweep import MARKERS

ASSETS = Path(__file__).resolve().parents[2] / "assets"
DARK = 'body[data-jp-theme-light="false"]'
GREY = 0.1  # saturation under which a colour has no hue
APART = 15 / 360  # of the circle of hues
DIFFERENT = 12  # in CIELAB; a large patch is seen to differ from 2 on, a small one needs more
# How linear sRGB looks to who lacks a kind of cones: Machado, Oliveira and Fernandes (2009), severity 1.
VISIONS = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no L": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no M": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no S": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]  # of linear sRGB
WHITE = [0.9505, 1, 1.089]


def in_sheet(name):
    """The colours of a style sheet in the light and in the dark theme, by name."""
    light, dark = (ASSETS / name).read_text("utf-8").split(DARK, 1)
    return [dict(re.findall(r"--lab-([\w-]+): (#\w{6})", part)) for part in (light, dark)]


def in_style(norm):
    """A normalization as it is called in a style sheet."""
    return (norm or "none").replace("+", "-")


def hue(colour):
    """From 0 to 1, None for a grey."""
    h, _, s = colorsys.rgb_to_hls(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    return h if s > GREY else None


def linear(colour):
    """Its light, linear sRGB."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(colour, ground):
    """WCAG 2.1's ratio of relative luminances."""
    lights = [linear(one) @ XYZ[1] for one in (colour, ground)]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def lab(colour, vision):
    """Its place in CIELAB, where distances are those that are seen."""
    x, y, z = np.array(XYZ) @ np.clip(np.array(vision) @ linear(colour), 0, 1) / WHITE
    x, y, z = (np.cbrt(one) if one > 0.008856 else 7.787 * one + 16 / 116 for one in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_style_sheets_have_the_same_colours():
    roles, of_norms = in_sheet("explorer.css")[0], in_sheet("sweep.css")[0]
    assert {role: roles[role] for role in ROLES} == {role: c.lower() for role, c in ROLES.items()}
    assert of_norms == {in_style(norm): colour.lower() for norm, colour in NORMALIZATIONS.items()}


def test_every_normalization_has_a_colour_and_a_marker_of_its_own():
    """In pictures and style sheet, all that a sweep shows; others than networks take there are none."""
    assert {mode for axis in AXES.values() for mode in axis.modes} <= set(NORMALIZATIONS)
    assert set(NORMALIZATIONS) <= set(layers.NORMALIZATIONS)
    in_css = dict(re.findall(r"--lab-marker-([\w-]+): (.*);", (ASSETS / "sweep.css").read_text("utf-8")))
    assert set(MARKERS) == set(NORMALIZATIONS)
    assert set(in_css) == set(map(in_style, NORMALIZATIONS))
    assert len(set(MARKERS.values())) == len(set(in_css.values())) == len(NORMALIZATIONS)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_normalizations_have_hues_that_no_role_has(theme):
    """So nobody takes a layer norm in a sweep for a pinned run; and each is seen on its ground."""
    roles = [hue(colour) for sheet in in_sheet("explorer.css") for colour in sheet.values()]
    norms = in_sheet("sweep.css")[theme]
    assert set(norms) == set(map(in_style, NORMALIZATIONS))
    for name, colour in norms.items():
        others = [h for h in roles if h is not None] + [hue(c) for n, c in norms.items() if n != name]
        distances = [min(abs(hue(colour) - other), 1 - abs(hue(colour) - other)) for other in others]
        assert min(distances) > APART, name
        assert contrast(colour, ("#ffffff", "#111111")[theme]) > 3, name


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_normalizations_differ_for_everybody(theme, vision):
    seen = {name: lab(colour, VISIONS[vision]) for name, colour in in_sheet("sweep.css")[theme].items()}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > DIFFERENT, (one, other)


def test_distances_of_the_simulation():
    """White is far from black for all, and red as light as green is near to it for who lacks the M cones."""
    red, green = "#b05a00", "#6e7e00"
    far, near = (
        np.linalg.norm(lab(red, VISIONS[name]) - lab(green, VISIONS[name])) for name in ("all cones", "no M")
    )
    assert far > 2 * near
    for vision in VISIONS.values():
        assert np.linalg.norm(lab("#ffffff", vision) - lab("#000000", vision)) == pytest.approx(100, abs=0.5)
