"""Figures that a student read off a run, beside a rerun of the same experiment."""

import numpy as np
import pytest

from autograde.assignments.normalization import figures
from autograde.assignments.normalization.figures import judge_figures, rerun, true_figures
from lab.check import Variant
from lab.check.assignments.normalization.figures import FIGURES, SCALES, SIZES

OTHER_WEIGHTS = """
mine = FullyConnectedNet

def FullyConnectedNet(*arguments, **settings):
    net, rng = mine(*arguments, **settings), np.random.default_rng(SEED)
    for name, w in net.params.items():
        if name[0] == "W":
            net.params[name] = rng.normal(0, settings["weight_scale"], w.shape).astype(w.dtype)
    return net
"""
HONEST = {
    "staged": "batchnorm_backward_alt = batchnorm_backward",
    "float64": (
        "mine = FullyConnectedNet\n"
        "FullyConnectedNet = lambda *sizes, **settings: mine(*sizes, dtype=np.float64, **settings)"
    ),
    "other weights": OTHER_WEIGHTS,
}
# The mean path and the variance path of the gradient are missing.
WRONG = "batchnorm_backward_alt = lambda dout, cache: (dout * cache[3] * cache[2], dout.sum(0), dout.sum(0))"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of reruns that the tests share."""
    return tmp_path_factory.mktemp("cache")


def right(name, kept, seed=0):
    return true_figures(name, seed, rerun(name, seed, Variant(), kept))


def stated_with(code, name, seed=0):
    """What a student with this code would state."""
    *before, training, experiment = figures._code(name, Variant())
    return true_figures(
        name, seed, figures._run(name, (f"SEED = {seed}", *before, code, training, experiment))
    )


def counted(name, stated, kept):
    return {key: counts for key, counts, _ in judge_figures(name, stated, Variant(), kept)}


# --- the rerun -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_rerun_has_every_network(kept):
    scales = rerun("weight_scale_figures", 0, Variant(), kept)
    sizes = rerun("batch_size_figures", 0, Variant(), kept)
    for accuracies, varied in (scales, SCALES), (sizes, SIZES):
        assert {name: tuple(found) for name, found in accuracies.items()} == {
            "none": varied, "batchnorm": varied,
        }  # fmt: skip
        assert all(0 <= a <= 1 for found in accuracies.values() for a in found.values())


def test_it_shows_what_the_questions_ask_about(kept):
    """With batch norm more scales learn; it gains with the minibatch, and loses where that is small."""
    scales = right("weight_scale_figures", kept)
    assert scales["scales_that_learn_batchnorm"] >= scales["scales_that_learn_none"] + 3
    sizes = rerun("batch_size_figures", 0, Variant(), kept)
    gains = [sizes["batchnorm"][size] - sizes["none"][size] for size in SIZES]
    assert gains == sorted(gains)
    assert gains[0] < 0 < gains[-1]


def test_it_is_kept_and_repeatable(kept, monkeypatch):
    name = "batch_size_figures"
    state = np.random.get_state()[1].copy()
    first = rerun(name, 1, Variant())
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert rerun(name, 1, Variant(), kept) == first
    monkeypatch.setattr(figures, "_run", lambda *_: pytest.fail("it is kept"))
    assert rerun(name, 1, Variant(), kept) == first


def test_seeds_variants_and_experiments_are_kept_apart(kept, monkeypatch):
    runs = []
    monkeypatch.setattr(figures, "_run", lambda *run: runs.append(run) or {"none": {}, "batchnorm": {}})
    for name in FIGURES:
        for seed in 7, 8:
            for variant in Variant(), Variant(1e-3):
                rerun(name, seed, variant, kept)
                rerun(name, seed, variant, kept)
    assert len(runs) == len(set(runs)) == 8


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"none": 3}', '{"none": {"5": "x"}, "batchnorm": {}}'])
def test_what_is_kept_and_damaged_is_made_again(tmp_path, monkeypatch, damage):
    accuracies = {"none": {5.0: 0.5}, "batchnorm": {5.0: 0.75}}
    monkeypatch.setattr(figures, "_run", lambda *_: accuracies)
    rerun("batch_size_figures", 0, Variant(), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(damage)
    assert rerun("batch_size_figures", 0, Variant(), tmp_path) == accuracies
    monkeypatch.setattr(figures, "_run", lambda *_: pytest.fail("it is kept"))
    assert rerun("batch_size_figures", 0, Variant(), tmp_path) == accuracies


# --- the judgement ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_the_truth_counts(name, kept):
    found = judge_figures(name, right(name, kept), Variant(), kept)
    assert [key for key, _, _ in found] == [key for key in FIGURES[name] if key != "seed"]
    assert all(counts for _, counts, _ in found)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("code", HONEST.values(), ids=HONEST)
@pytest.mark.product(every=6)
def test_honest_variation_counts(name, code, kept):
    assert all(counted(name, stated_with(code, name), kept).values())


def test_a_wrong_network_shows_in_its_figures(kept):
    for name in FIGURES:
        found = counted(name, stated_with(WRONG, name), kept)
        assert sum(found.values()) < len(found)
        assert all(counts for key, counts in found.items() if "none" in key)


@pytest.mark.parametrize("figure", ["best_accuracy_none", "scales_that_learn_batchnorm", "accuracy_none_50"])
def test_tolerances_end_where_they_are_said_to(figure, kept):
    name = "batch_size_figures" if figure.startswith("accuracy") else "weight_scale_figures"
    truth = right(name, kept)
    within = figures.COUNT if figure.startswith("scales") else figures.ACCURACY
    further = within + (1 if figure.startswith("scales") else 0.005)
    for off, counts in ((-within, True), (-further, False)):
        assert counted(name, {**truth, figure: truth[figure] + off}, kept)[figure] == counts


def test_a_best_scale_counts_when_it_is_nearly_as_good(kept):
    name = "weight_scale_figures"
    truth, accuracies = right(name, kept), rerun(name, 0, Variant(), kept)
    for normalization, found in accuracies.items():
        key = f"best_scale_{normalization}"
        for scale, accuracy in found.items():
            is_near = max(found.values()) - accuracy <= 0.05
            assert counted(name, {**truth, key: scale}, kept)[key] == is_near
    assert not counted(name, {**truth, "best_scale_none": 0.001}, kept)["best_scale_none"]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (None, "must be a dict"), ([1], "must be a dict"), ({}, "'seed' is missing"),
        ({"seed": 10}, "'seed' must be a whole number from 0 to 9, not 10"),
        ({"seed": 1.5}, "'seed' must be a whole number"), ({"seed": True}, "'seed' must be a number"),
        ({"seed": "0"}, "'seed' must be a number, not '0'"), ({"seed": float("nan")}, "'seed' must be"),
        ({"seed": 10**400}, "'seed' must be"),
    ],
)  # fmt: skip
def test_without_a_dict_and_a_seed_nothing_counts(stated, said, kept):
    found = judge_figures("weight_scale_figures", stated, Variant(), kept)
    assert len(found) == 6
    assert not any(counts for _, counts, _ in found)
    assert all(said in message for _, _, message in found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "must be a number, not None"), ("0.9", "must be a number, not '0.9'"), (2, "to 1, not 2"),
        (float("nan"), "from 0 to 1, not nan"), (float("inf"), "not inf"), (-0.1, "not -0.1"),
        ([0.9], "must be a number"), (True, "must be a number, not True"), (0.9j, "must be a number"),
    ],
)  # fmt: skip
def test_one_figure_of_a_wrong_form_costs_itself_alone(value, said, kept):
    name = "weight_scale_figures"
    found = judge_figures(name, {**right(name, kept), "best_accuracy_none": value}, Variant(), kept)
    lost = {key: message for key, counts, message in found if not counts}
    assert list(lost) == ["best_accuracy_none"]
    assert said in lost["best_accuracy_none"]


def test_numpys_numbers_and_whole_floats_count(kept):
    name = "weight_scale_figures"
    stated = {key: np.float64(value) for key, value in right(name, kept).items()}
    assert all(counted(name, stated, kept).values())


def test_the_truth_is_not_told(kept):
    """A message repeats what was stated and what is allowed, not the right figure."""
    name = "batch_size_figures"
    stated = {"seed": 0, **dict.fromkeys(list(FIGURES[name])[1:], 0.123)}
    truth = right(name, kept)
    for key, counts, message in judge_figures(name, stated, Variant(), kept):
        assert not counts
        assert f"{truth[key]:.3g}" not in message
