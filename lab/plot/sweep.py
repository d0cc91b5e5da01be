"""What networks reach over a setting, a curve for each normalization, as the sweep shows it."""

from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import context
from matplotlib.ticker import PercentFormatter

from lab.plot.colours import NORMALIZATIONS
from lab.plot.race import LETTERS, STYLE

MARKERS = {None: "^", "batchnorm": "s", "layernorm": "o"}


def draw(label, values, results, names, sentence) -> Figure:
    """A figure of 12 × 5 inches on white.

    label: of the setting, whose values (V,) stand on a logarithmic axis. results: {title: {normalization:
    (V,)}}, one part of the figure each; what a title calls an accuracy goes from 0 to 1, what not is
    logarithmic. names: of the normalizations, in words. sentence: what can be seen, which stands below.
    """
    with context(STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        for axes, (title, of_norm) in zip(figure.subplots(1, len(results)), results.items(), strict=True):
            axes.set(title=title, xlabel=label, xscale="log")
            axes.grid(alpha=0.3)
            for norm, y in of_norm.items():
                axes.plot(values, y, color=NORMALIZATIONS[norm], marker=MARKERS[norm], linewidth=1.5)
            if "accuracy" in title:
                axes.set_ylim(0, 1)
                axes.yaxis.set_major_formatter(PercentFormatter(1))
            else:
                axes.set_yscale("log", nonpositive="clip")
        keys = [Line2D([], [], color=c, marker=MARKERS[norm]) for norm, c in NORMALIZATIONS.items()]
        figure.legend(keys, [names[norm] for norm in NORMALIZATIONS], loc="outside upper left", ncols=3)
        figure.supxlabel(fill(sentence, LETTERS), fontsize="medium", parse_math=False)
    return figure
