"""Every scene shows what it claims, over five seeds, and soon enough for a class."""

from functools import cache

import numpy as np
import pytest

from lab import Config, Training
from lab.live.explorer.scenes import SCENES, scene_named
from lab.live.explorer.views import VIEWS
from lab.probe import observe
from lab.train.loop import blas_threads
from lab.train.samples import load_data

SEEDS = range(5)


@cache
def data_of(seed, train_size):
    return load_data(Config(seed=seed, train_size=train_size))


def training(config):
    return Training.from_config(config, data_of(config.seed, config.train_size))


@cache
def raced(name, seed):
    """What is seen in the first update of both networks, then both after the scene's number of updates, and
    what is seen in one more."""
    scene = SCENES[name]
    sides = [training(config.replace(seed=seed)) for config in (scene.config, scene.twin)]
    with blas_threads(scene.config.batch_size):
        first = [observe(side) for side in sides]
        for side in sides:
            for _ in zip(range(side.step, scene.steps), side, strict=False):
                pass
        return first, sides, [None if side.diverged_at else observe(side.branch()) for side in sides]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENES)
def test_claim(name, seed):
    scene, (_, sides, _) = SCENES[name], raced(name, seed)
    assert sides[0].step == scene.steps
    assert sides[1].step == scene.steps or sides[1].diverged_at
    assert scene.gap(*(side.branch() for side in sides)) >= scene.least


def steps_between(sizes):
    """From each layer to the next, the factor of the median size."""
    return sizes[1:, 1] / sizes[:-1, 1]


def vanishes(first, _sides, _last):
    return (steps_between(first[1].sizes) < 1e-3).all() and (first[0].sizes[:, 1] > 0.5).all()


def explodes(first, sides, last):
    return (
        5 < np.exp(np.log(steps_between(first[1].sizes)).mean()) < 7.5
        and (last[0].sizes[:, 1] < 1).all()
        and sides[0].diverged_at is None
        and sides[1].diverged_at <= 10
    )


def two_peaks(_first, _sides, last):
    """Little between -0.5 and 0.5, and nearly all within 0.5 of the peaks."""
    shares = []
    for signals in last:
        edges, share = signals.histogram(3, bins=200)
        middle = np.abs(edges[1:] + edges[:-1]) / 2
        shares.append((share[middle < 0.5].sum(), share[np.abs(middle - 1) < 0.5].sum()))
    (between, peaks), (between_twin, _) = shares
    return between < 0.05 and peaks > 0.9 and between_twin > 0.25


def off(first, _sides, last):
    return all(s[0].is_off.all() and not s[1].is_off.any() for s in (first, last))


def saturated(first, sides, last):
    falls = sides[0].loss[-10:].mean() < 0.8 * sides[1].loss[-10:].mean()
    return falls and all((s[0].silent < 0.05).all() and (s[1].silent > 0.4).all() for s in (first, last))


def noisy_learns_first(_first, sides, _last):
    return sides[0].loss[-10:].mean() < 0.6 * sides[1].loss[-10:].mean()


def dies(_first, _sides, last):
    return (last[1].silent[1:4] > 0.8).all() and (last[0].silent < 0.5).all()


def running_lags(_first, sides, last):
    np.testing.assert_array_equal(sides[0].loss, sides[1].loss)
    lagging, keeping_up = (signals.running_ratios[:, 1] for signals in last)
    return (lagging < 0.5).all() and (np.abs(keeping_up - 1) < 0.2).all()


def decays(_first, _sides, last):
    return (last[0].sizes[:, 1] > 0.5).all() and last[1].sizes[-1, 1] < 0.05


LOOKS = dict(
    zip(
        SCENES,
        [vanishes, explodes, two_peaks, off, saturated, noisy_learns_first, dies, running_lags, decays],
        strict=True,
    )
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENES)
def test_what_to_look_for_is_there(name, seed):
    assert LOOKS[name](*raced(name, seed))


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("it vanishes", {"weight_scale": 0.1}),
        ("it explodes", {"weight_scale": 0.1}),
        ("noise", {"weight_scale": 0.1}),
        ("a rate that only batch norm bears", {"learning_rate": 1e-3}),
        ("strong weight decay", {"reg": 0.0}),
    ],
)
def test_twin_fails_by_what_the_scene_says(name, setting, seed):
    """With one usual setting it learns as well in the same number of updates."""
    twin = training(SCENES[name].twin.replace(seed=seed, **setting))
    with blas_threads(twin.batch_size):
        for _ in zip(range(SCENES[name].steps), twin, strict=False):
            pass
    assert twin.accuracies[-1].val > 0.8


def test_scenes_are_those_of_the_lecture():
    assert list(SCENES) == [
        "it vanishes",
        "it explodes",
        "tiny batches",
        "batch norm is off at the start",
        "saturated sigmoids",
        "noise",
        "a rate that only batch norm bears",
        "train and test disagree",
        "strong weight decay",
    ]
    assert all(scene.name == name for name, scene in SCENES.items())


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_scene_fits_on_the_screen_and_into_the_lesson(scene):
    """Three figures that exist; one line each to look for and to ask; seen in the course of a run."""
    assert set(scene.views) <= set(VIEWS) - {"loss"}
    assert len(set(scene.views)) == len(scene.views) == 3
    assert max(len(scene.look), len(scene.question)) <= 95
    assert scene.config != scene.twin
    assert scene.config.dataset == scene.twin.dataset == "digits"
    assert scene.steps <= training(scene.config).total_steps / 2


def test_scene_is_found_by_its_name():
    assert scene_named("noise") is SCENES["noise"]


@pytest.mark.parametrize("name", ["it implodes", None, 3])
def test_a_scene_that_does_not_exist(name):
    with pytest.raises(ValueError, match="scene must be one of it vanishes, it explodes, tiny batches"):
        scene_named(name)
