"""PyTorch as its users write it: modules and its own Adam, eager; for populations batched products."""

from itertools import pairwise

import numpy as np
import torch  # type: ignore[import-not-found]
from torch import nn
from torch.nn import functional as F  # type: ignore[import-not-found]

from lab.bench.convolutions import PARAM

NORMS = {"batchnorm": nn.BatchNorm1d, "layernorm": nn.LayerNorm}
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class PyTorch:
    """A workload in PyTorch. fused: whether the optimizer is PyTorch's fused one. device: "cpu" or "cuda"."""

    def __init__(self, work, data, fused=False, device="cpu"):
        torch.set_num_threads(1)
        self.work, self.device = work, device
        self.data = {name: torch.from_numpy(array).to(device) for name, array in data.items()}
        self.model = self.network(work.params()).to(device)
        self.optimizer = OPTIMIZERS[work.optimizer](
            self.model.parameters(), lr=work.learning_rate, **({"fused": True} if fused else {})
        )

    def network(self, params):
        """The modules, with these weights."""
        layers: list[nn.Module] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(self.work.sizes), start=1):
            linear = nn.Linear(fan_in, fan_out)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(params[f"W{i}"].T))
                linear.bias.zero_()
            layers.append(linear)
            if i <= len(self.work.hidden_dims):
                if self.work.normalization:
                    layers.append(NORMS[self.work.normalization](fan_out))
                layers.append(nn.ReLU())
        return nn.Sequential(*layers)

    def loss(self, scores, y):
        """The loss that is differentiated, and the one that is kept."""
        loss = F.cross_entropy(scores, y)
        return loss, loss.detach()

    def advance(self, rows, rates):
        """Make len(rows) updates. Returns their losses, (len(rows),) or (len(rows), K)."""
        X, y, losses = self.data["X_train"], self.data["y_train"], []
        self.model.train()
        for batch, rate in zip(torch.from_numpy(rows).to(self.device), rates.tolist(), strict=True):
            if self.work.schedule != "constant":
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
            total, loss = self.loss(self.model(X[batch]), y[batch])
            self.optimizer.zero_grad()
            total.backward()
            self.optimizer.step()
            losses.append(loss)
        return torch.stack(losses).cpu().numpy()

    @torch.no_grad()
    def accuracy(self):
        """The shares of right answers on the first 1000 training samples and on the validation samples."""
        self.model.eval()
        shares = []
        for part in ("train", "val"):
            X, y = self.data[f"X_{part}"][:1000], self.data[f"y_{part}"][:1000]
            shares.append((self.model(X).argmax(-1) == y).float().mean(-1).cpu().numpy())
        return shares


class Population(PyTorch):
    """Members in one batched product a layer."""

    def network(self, params):
        return Batched(params, self.work.normalization)

    def loss(self, scores, y):
        members, n, classes = scores.shape
        each = F.cross_entropy(scores.reshape(-1, classes), y.repeat(members), reduction="none")
        each = each.view(members, n).mean(dim=1)
        return each.sum(), each.detach()


class Batched(nn.Module):
    """A population's network: parameters (K, …), activations (K, N, D)."""

    def __init__(self, params, normalization):
        super().__init__()
        self.normalization = normalization
        self.depth = sum(name[0] == "W" for name in params)
        for name, values in params.items():
            # A vector of each member is (K, 1, D), to combine with (K, N, D).
            values = torch.from_numpy(values if name[0] == "W" else values[:, None])
            self.register_parameter(name, nn.Parameter(values.clone()))
            if name.startswith("gamma"):
                self.register_buffer(f"mean_{name}", torch.zeros_like(values))
                self.register_buffer(f"var_{name}", torch.ones_like(values))

    def forward(self, x):
        p = dict(self.named_parameters())
        x = x.expand(len(p["W1"]), *x.shape)
        for i in range(1, self.depth + 1):
            x = torch.baddbmm(p[f"b{i}"], x, p[f"W{i}"])
            if i < self.depth:
                if self.normalization:
                    x = self.normalize(x, p[f"gamma{i}"], p[f"beta{i}"], i)
                x = x.relu()
        return x

    def normalize(self, x, gamma, beta, i):
        """Batch norm by hand: PyTorch's own has no axis for members."""
        running_mean, running_var = self.get_buffer(f"mean_gamma{i}"), self.get_buffer(f"var_gamma{i}")
        if self.training:
            var, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
            with torch.no_grad():
                n = x.shape[1]
                running_mean.lerp_(mean, 0.1)
                running_var.lerp_(var * (n / (n - 1)), 0.1)
        else:
            mean, var = running_mean, running_var
        scale = gamma * torch.rsqrt(var + 1e-5)
        return torch.addcmul(beta - mean * scale, x, scale)


class Convolutions:
    """`lab.bench.convolutions` in PyTorch, on the processor, with its usual order in memory."""

    def __init__(self, layers):
        torch.set_num_threads(1)
        self.layers = []
        for layer in layers:
            filters, channels, *size = layer.w.shape
            module = nn.Conv2d(channels, filters, size, padding=PARAM["pad"])
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(layer.w))
                module.bias.zero_()
            x = torch.from_numpy(np.ascontiguousarray(layer.x)).requires_grad_(not layer.is_first)
            self.layers.append((x, module))

    def gradients(self):
        """dx, dw, db of each convolution, from the last one on; what comes out of it is taken for dout."""
        for x, module in self.layers:
            x.grad = module.weight.grad = module.bias.grad = None
        outs = [module(x) for x, module in self.layers]
        for out in reversed(outs):
            out.backward(out.detach())
        return [(x.grad, module.weight.grad, module.bias.grad) for x, module in reversed(self.layers)]

    def run(self):
        """Forward and backward of a minibatch: one update's worth."""
        self.gradients()
        return 0.0


def start(work, data, **settings):
    """The workload in the form that suits it."""
    return (Population if work.members > 1 else PyTorch)(work, data, **settings)
