"""Networks of images: their shapes, what they take, and that a population is its members."""

import numpy as np
import pytest

from lab import Config, Training, nn
from lab.nn.gradient_check import check_gradients
from lab.nn.models import MODELS, build
from lab.nn.models.architecture import Settings
from lab.nn.models.vgg import DEPTHS

RNG = np.random.default_rng(0)
DIGITS = RNG.normal(size=(6, 1, 8, 8)), np.arange(6) % 3
# Numbers of weights in the convolutions: the sums of 9 * channels before * channels after of table 1.
CONVOLUTIONS = {11: 9_217_728, 13: 9_402_048, 16: 14_710_464, 19: 20_018_880}


def convolutional(**settings):
    settings = {"hidden_dims": (4, 6), "seed": 1, "weight_scale": 0.3, "dtype": np.float64} | settings
    return build("convolutional", (1, 8, 8), 3, **settings)


def test_a_convolutional_network_is_its_layers_one_after_the_other():
    net = convolutional(normalization="batchnorm")
    X, p, bn_params = DIGITS[0], net.params, [{"mode": "train"}, {"mode": "train"}]
    out = X
    for i, bn_param in enumerate(bn_params, start=1):
        out, _ = nn.conv_forward(out, p[f"W{i}"], p[f"b{i}"], {"stride": 1, "pad": 1})
        out, _ = nn.spatial_batchnorm_forward(out, p[f"gamma{i}"], p[f"beta{i}"], bn_param)
        out, _ = nn.max_pool_forward(np.maximum(out, 0), {"pool_height": 2, "pool_width": 2, "stride": 2})
    scores, _ = nn.affine_forward(out, p["W3"], p["b3"])
    assert net.loss(*DIGITS)[0] == pytest.approx(nn.softmax_loss(scores, DIGITS[1])[0], rel=1e-12)
    for kept, bn_param in zip(net.bn_params, bn_params, strict=True):
        np.testing.assert_allclose(kept["running_var"], bn_param["running_var"], rtol=1e-12)


@pytest.mark.parametrize("sizes", [(4,), (4,) * 6])
def test_images_are_pooled_as_long_as_they_are_large_enough(sizes):
    """From 8×8 to 4×4 and 2×2; then convolutions alone go on."""
    net = convolutional(hidden_dims=sizes)
    pools = [layer for layer in net.layers if layer.kind == "max_pool"]
    assert len(pools) == min(len(sizes), 2)
    assert net.params[f"W{len(sizes) + 1}"].shape == (4 * (16 if len(sizes) == 1 else 4), 3)


@pytest.mark.parametrize(
    "normalization", ["batchnorm", "layernorm", "groupnorm", "rmsnorm", "dynamic_tanh", "batchnorm+weightstd"]
)
@pytest.mark.product(every=3)
def test_gradients_agree_with_differences(normalization):
    settings = {"activation": "tanh", "num_groups": 2, "noise": True, "reg": 0.1, "weight_scale": 0.3}
    net = build(
        "convolutional", (1, 4, 4), 3, hidden_dims=(2, 2), normalization=normalization, seed=1,
        dtype=np.float64, **settings,
    )  # fmt: skip
    checks = check_gradients(net, DIGITS[0][..., 2:6, 2:6], DIGITS[1])
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))


@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm", "rmsnorm", "groupnorm+weightstd"])
@pytest.mark.product(every=5)
def test_a_population_is_its_members(normalization):
    """With dropout and noise, which all of them meet alike."""
    config = Config(
        model="convolutional", hidden_dims=(4, 6), normalization=normalization, num_groups=2, train_size=60,
        val_size=40, batch_size=20, epochs=2, dropout_keep_ratio=0.8, noise=True, dtype="float64",
        initialization="he", data_seed=0, reg=0.01,
    )  # fmt: skip
    together = Training.from_config(config, seed=[1, 2, 3])
    list(together)
    for k, seed in enumerate([1, 2, 3]):
        alone = Training.from_config(config.replace(seed=seed))
        list(alone)
        np.testing.assert_allclose(together.loss[:, k], alone.loss, rtol=1e-9)
        np.testing.assert_allclose(together.net.flat_params[k], alone.net.flat_params, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("depth", DEPTHS)
def test_vgg_has_the_published_number_of_weights(depth):
    assert sum(DEPTHS[depth]) == depth - 3
    settings = Settings()
    chain = MODELS[f"vgg{depth}"].chain(settings, (3, 32, 32), 10)
    weights = [p for layer in chain for p in layer.parameters if p.role == "weight"]
    assert sum(np.prod(p.shape) for p in weights[:-1]) == CONVOLUTIONS[depth]
    assert weights[-1].shape == (512, 10)
    total, _ = MODELS[f"vgg{depth}"].size(settings, (3, 32, 32), 10)
    assert total == CONVOLUTIONS[depth] + sum(p.shape[0] for p in weights[:-1]) + 512 * 10 + 10


def test_vgg_trains_with_every_normalization_and_scales_its_width():
    X, y = RNG.normal(size=(8, 3, 32, 32)), np.arange(8) % 4
    for normalization in (None, "batchnorm", "layernorm", "groupnorm+weightstd"):
        net = build(
            "vgg11", (3, 32, 32), 4, normalization=normalization, width_factor=1 / 32, initialization="he",
            num_groups=2, seed=0,
        )  # fmt: skip
        before = net.backpropagate(X, y)
        for _ in range(5):
            net.flat_params -= 0.01 * net.flat_gradient
            after = net.backpropagate(X, y)
        assert after < before
    assert net.params["W1"].shape == (2, 3, 3, 3)


@pytest.mark.parametrize("model", ["vgg11", "vgg19"])
def test_images_that_are_too_small_are_refused(model):
    for shape in ((1, 8, 8), (3, 32, 31), (64,)):
        with pytest.raises(ValueError, match=r"takes images of at least 32×32 pixels, not samples of shape"):
            build(model, shape, 10)
    with pytest.raises(ValueError, match="convolutional takes images"):
        build("convolutional", (64,), 10)


def test_one_image_is_enough_for_batch_norm():
    """It has many positions; of a row the variance is zero."""
    image = Config(model="convolutional", hidden_dims=(4,), batch_size=1, train_size=20, epochs=1)
    training = Training.from_config(image)
    list(training)
    assert np.isfinite(training.loss).all()
    with pytest.raises(ValueError, match="batch_size 1 can't be batch-normalized"):
        Config(batch_size=1)


def test_flat_samples_of_images_are_taken_as_images():
    """Data sets are kept in rows; only a layer flattens."""
    net = convolutional()
    np.testing.assert_array_equal(net.scores(DIGITS[0]), net.scores(DIGITS[0].reshape(6, -1)))


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="num_groups must divide the 4 units"):
        convolutional(normalization="groupnorm", num_groups=3)


def test_in_words():
    assert MODELS["vgg16"].in_words(Settings(width_factor=0.25)) == "VGG 16 at width ×0.25"
    assert MODELS["vgg16"].in_words(Settings()) == "VGG 16"
    assert MODELS["convolutional"].in_words(Settings(hidden_dims=(8, 16))) == "convolutional 8-16"
