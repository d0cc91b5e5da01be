"""Own data and own code in an explorer, and what goes wrong: a sentence, and the curves stay."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lab.live.explorer import race
from lab.live.explorer.panel import Panel
from lab.nn import batchnorm_backward_alt, batchnorm_forward
from lab.nn.backend import probe_cupy
from tests.live.explorer.one_explorer import assert_shows, explore
from tests.live.stage import frames_pass, live, small_data, until

RIGHT = {"batchnorm": (batchnorm_forward, batchnorm_backward_alt)}

# --- own data and own code ---------------------------------------------------------------------------


@live
async def test_own_data_as_a_pair():
    """Samples and labels, which the lab splits and preprocesses."""
    data = small_data(rows=100)
    with explore(data=(data["X_train"], data["y_train"])) as screen:
        await screen.reach(step=5)
        assert screen.frame.chosen.loss.shape == screen.frame.twin.loss.shape
        assert "own data" in screen.title


@live
async def test_own_pair_that_is_right_lies_on_the_labs():
    with explore(layers=RIGHT) as screen:
        await screen.reach(step=20)
        await screen.rest()
        assert screen.title.startswith("Own batch norm against batch norm own data")
        assert screen.sentence == (
            "Own batch norm: both networks are the same, and their curves lie on each other."
        )
        own, labs = (screen.figure("loss").curve(role)[1] for role in ("chosen", "twin"))
        np.testing.assert_array_equal(own, labs)


@live
async def test_own_pair_that_is_wrong_parts_from_the_labs():
    def my_backward(dout, cache):
        dx, dgamma, dbeta = batchnorm_backward_alt(dout, cache)
        return -dx, dgamma, dbeta

    with explore(layers={"batchnorm": (batchnorm_forward, my_backward)}) as screen:
        await screen.reach(step=20)
        await screen.rest()
        own, labs = (screen.figure("loss").curve(role)[1] for role in ("chosen", "twin"))
        assert own[0] == labs[0]
        assert np.abs(own - labs)[5:].max() > 0.01
        assert re.match(r"Own batch norm: loss [\d.]+, .*Batch norm: loss", screen.sentence)


@live
async def test_own_pair_that_crashes_shows_its_traceback_behind_a_click():
    def my_forward(x, gamma, beta, bn_param):
        return gamma / undefined_name  # noqa: F821

    with explore(layers={"batchnorm": (my_forward, my_forward)}) as screen:
        await screen.reach(state="stopped")
        assert "NameError: name 'undefined_name' is not defined" in screen.sentence
        assert "of my_forward: return gamma / undefined_name" in screen.sentence
        assert "Traceback" not in screen.sentence
        assert screen.details.startswith("moreTraceback")
        screen.control("normalization").value = "layernorm"
        await screen.reach(run=1, step=5, state="training")
        assert "NameError" not in screen.html("lab-sentence")


@live
async def test_own_pair_that_never_ends_in_test_mode_is_stopped(monkeypatch):
    """Accuracies are measured between updates too, and the kernel must not hang there."""
    monkeypatch.setattr(race, "UPDATE", 0.2)

    def my_forward(x, gamma, beta, bn_param):
        while bn_param["mode"] == "test":
            pass
        return batchnorm_forward(x, gamma, beta, bn_param)

    with explore(layers={"batchnorm": (my_forward, batchnorm_backward_alt)}, play=False) as screen:
        await screen.reach(state="stopped")
        assert "took longer than 0.2 seconds and was stopped; an endless loop?" in screen.sentence
        assert "of my_forward: " in screen.sentence
        screen.control("normalization").value = "layernorm"
        await screen.reach(run=2, state="paused")


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (1, "batch_size 1 can't be batch-normalized: the variance of one row is zero."),
        (100, "batch_size is 100, but there are only 50 training samples"),
    ],
)
@live
async def test_a_batch_size_that_cannot_be_keeps_curves_and_controls(size, said):
    """The sentence shows, the last good curves stay, and the next setting trains."""
    with explore() as screen:
        await screen.reach(step=10)
        screen.control("batch size").value = size
        await screen.reach(state="stopped")
        kept = [screen.figures[number].curve("chosen")[1] for number in range(4)]
        assert screen.sentence.startswith(said)
        assert screen.refusals == [screen.sentence]
        assert_shows(screen.figure("loss"), "chosen", screen.frame.chosen)
        assert len(kept[0]) >= 9
        await frames_pass(10)
        for number, y in enumerate(kept):
            np.testing.assert_array_equal(screen.figures[number].curve("chosen")[1], y)
        screen.control("batch size").value = 2
        await screen.reach(run=2, state="training")
        await until(lambda: screen.sentence.startswith("Batch norm: loss"))


@pytest.mark.skipif(probe_cupy()[0] is not None, reason="machine: there is a GPU")
@live
async def test_a_gpu_that_is_not_there_keeps_the_curves_and_says_what_to_do():
    with explore() as screen:
        await screen.reach(step=10)
        screen.control("device").value = "cupy"
        await screen.reach(state="stopped")
        assert "CuPy" in screen.sentence
        assert "normalization-lab[cuda]" in screen.sentence
        assert len(screen.figure("loss").curve("chosen")[1]) >= 9
        screen.control("device").value = "auto"
        await screen.reach(run=2, state="training")


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_a_number_that_cannot_be_is_refused_in_words(is_playing):
    """The run goes on, the field returns, and with the next change the sentence is gone."""
    with explore(play=is_playing) as screen:
        await screen.reach(run=1)
        control = screen.control("weight scale")
        control.value = "seven"
        said = "weight scale must be between 0.0001 and 1, not seven"
        await until(lambda: said in screen.sentence)
        assert screen.refusals == [said]
        assert control.text == "0.3"
        assert screen.now["run"] == 1
        assert screen.now["state"] == ("training" if is_playing else "paused")
        screen.control("weight scale").value = 0.05
        await until(lambda: said not in screen.sentence)
        await screen.reach(run=2)


@live
async def test_an_exception_of_a_figure_is_reported(monkeypatch):
    """Nothing that goes wrong is silent: what the view raises shows in words, and the next run draws."""
    with explore() as screen:
        await screen.reach(step=5)

        def fail(*_):
            raise TypeError("no such curve")

        with monkeypatch.context() as broken:
            broken.setattr(Panel, "draw", fail)
            await screen.reach(state="stopped")
        assert "TypeError: no such curve" in screen.sentence
        screen.press("Reset")
        await screen.reach(run=2, step=5, state="training")


@live
async def test_loading_is_said(watched):
    with explore(play=False) as screen:
        await screen.reach(run=1, frame=2)
        y = screen.figure("loss").curve("chosen")
        watched.show(replace(screen.frame, number=3, note="Loading the data."))
        assert screen.sentence == "Loading the data."
        assert screen.now["state"] == "loading"
        np.testing.assert_array_equal(screen.figure("loss").curve("chosen"), y)
