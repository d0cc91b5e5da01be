"""What networks reach over a setting, for each normalization, as the sweep shows it."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import context
from matplotlib.ticker import PercentFormatter

from lab.plot.colours import NORMALIZATIONS
from lab.plot.race import LETTERS, STYLE

MARKERS = {
    None: "^", "batchnorm": "s", "layernorm": "o", "rmsnorm": "D", "dynamic_tanh": "v", "groupnorm": "*",
    "weightstd": "p", "batchnorm+weightstd": ">", "groupnorm+weightstd": "<",
}  # fmt: skip
SPREAD = 0.72  # of the room of a choice: over it the normalizations stand side by side
COLUMNS = 5  # of the legend


def draw(label, values, results, names, sentence, once=()) -> Figure:
    """A figure of 12 × 5 inches on white.

    label: of the setting. values: V numbers, which stand on a logarithmic axis, or V words, which stand one
    apart. results: {title: {normalization: (V, S)}}, one part of the figure each, drawn as the mean of S
    seeds, in small each of them, and over numbers a curve; what isn't finite is left out. What a title calls
    an accuracy goes from 0 to 1, what not is logarithmic. names: of the normalizations, in words. sentence:
    what can be seen, which stands below. once: normalizations that are the same for all values, a line.
    """
    norms = list(next(iter(results.values())))
    has_words = isinstance(values[0], str)
    with context(STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        for axes, (title, of_norm) in zip(figure.subplots(1, len(results)), results.items(), strict=True):
            _draw(axes, values, of_norm, has_words, once)
            axes.set(title=title, xlabel=label)
            if "accuracy" in title:
                axes.set_ylim(0, 1)
                axes.yaxis.set_major_formatter(PercentFormatter(1))
            else:
                axes.set_yscale("log", nonpositive="clip")
        keys = [Line2D([], [], **_look(norm), ls=_line(has_words and norm not in once)) for norm in norms]
        said = [names[norm] + ", one for all" * (norm in once) for norm in norms]
        figure.legend(keys, said, loc="outside upper left", ncols=min(len(norms), COLUMNS))
        figure.supxlabel(fill(sentence, LETTERS), fontsize="medium", parse_math=False)
    return figure


def _look(norm):
    return {"color": NORMALIZATIONS[norm], "marker": MARKERS[norm]}


def _line(is_bare):
    """Points of numbers are joined; of choices there is nothing between."""
    return "" if is_bare else "solid"


def _draw(axes, values, of_norm, has_words, once):
    """One part: points of all normalizations, and what joins them."""
    axes.grid(alpha=0.3, axis="y" if has_words else "both")
    if has_words:
        axes.set_xticks(range(len(values)), values)
        axes.set_xlim(-0.5, len(values) - 0.5)
    else:
        axes.set_xscale("log")
    aside = np.linspace(-0.5, 0.5, len(of_norm) + 2)[1:-1] * SPREAD
    for (norm, each), shift in zip(of_norm.items(), aside, strict=True):
        each = np.where(np.isfinite(each), each, np.nan)
        counted = np.isfinite(each).sum(axis=-1)
        with np.errstate(invalid="ignore"):  # 0 / 0
            mean = np.nansum(each, axis=-1) / counted
        x = np.arange(len(values)) + shift if has_words else np.asarray(values)
        if each.shape[-1] > 1:
            axes.plot(x, each, color=NORMALIZATIONS[norm], marker=MARKERS[norm], ls="", ms=3, alpha=0.6)
        if has_words and norm in once:
            axes.axhline(mean[0], color=NORMALIZATIONS[norm], linewidth=1.5)
        axes.plot(x, mean, **_look(norm), ls=_line(has_words), linewidth=1.5)
