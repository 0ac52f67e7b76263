"""Densities that are trained by gradient descent: the paper's coupling flow, zuko's flows, and a second-stage VAE."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from math import inf, prod
from typing import Any

import torch
from torch import Tensor, nn

from zoo.base import check_positive, evaluating, standard_normal
from zoo.densities.base import Checkpoint, Density, FitState, hold_out
from zoo.flows import Flow, log_normal
from zoo.losses import draw_gaussian, gaussian_kl, gaussian_nll
from zoo.nets import SkipMLP

HALF_AT_50: Mapping[int, float] = {50: 0.5}  # B.1 on MNIST
EVALUATION_BATCH = 1000  # latents per forward pass


class TrainedDensity(Density):
    """A density that Adam trains on batches of latents.

    The last, smaller batch of an epoch is dropped. If `patience` is positive, a tenth of the latents is held out. The
    fit then ends after that many epochs without a lower held-out loss, and the weights of the best epoch are kept.

    Args:
        nz: size of the latents.
        epochs: passes over the latents.
        batch: latents per step; all of them, if there are fewer.
        lr: learning rate of Adam.
        factors: epoch -> factor of the learning rate from that epoch on. Factors multiply.
        weight_decay: Adam's L2 term.
        patience: epochs without improvement after which the fit ends; 0 for a fit without early stopping.
        length: factor of the numbers of epochs, also of those in `factors`.
        standardize: whether each dimension is shifted and scaled to mean 0 and standard deviation 1.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        nz: int,
        epochs: int = 100,
        batch: int = 256,
        lr: float = 1e-3,
        factors: Mapping[int, float] = HALF_AT_50,
        weight_decay: float = 0.0,
        patience: int = 0,
        length: float = 1.0,
        standardize: bool = True,
    ):
        super().__init__(nz)
        check_positive(epochs=epochs, batch=batch, lr=lr, length=length)
        if not 0 <= weight_decay < inf or patience < 0:
            raise ValueError(f"weight_decay and patience must not be negative, got {weight_decay} and {patience}")
        self.epochs, self.batch, self.lr = max(1, round(epochs * length)), batch, lr
        self.factors = {round(int(epoch) * length): factor for epoch, factor in factors.items()}
        self.weight_decay, self.patience, self.standardize = weight_decay, patience, standardize
        self.register_buffer("shift", torch.zeros(nz))
        self.register_buffer("scale", torch.ones(nz))

    @abstractmethod
    def loss(self, z: Tensor) -> Tensor:
        """Mean loss of standardized latents, (B, nz) -> ()."""

    @property
    def n_parameters(self) -> int:
        """Numbers that are trained, and the shift and scale of each dimension."""
        return sum(p.numel() for p in self.parameters()) + 2 * self.nz * self.standardize

    @property
    def min_latents(self) -> int:
        """So that there is one to hold out."""
        return 20 if self.patience else 2

    def rate(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 0."""
        return self.lr * prod(factor for start, factor in self.factors.items() if epoch >= start)

    def _fit(self, z: Tensor, seed: int, resume: FitState | None, checkpoint: Checkpoint) -> None:
        z = z.to(self.shift)
        train, held_out = hold_out(z, seed) if self.patience else (z, z[:0])
        if self.standardize:
            self.shift.copy_(train.mean(0))
            self.scale.copy_(train.std(0))
        train, held_out = ((part - self.shift) / self.scale for part in (train, held_out))
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)
        progress: dict[str, Any] = {"epoch": 0, "best_epoch": 0, "best_loss": inf, "best": {}}
        if resume:
            progress = dict(resume["progress"])
            self.load_state_dict(resume["weights"])
            optimizer.load_state_dict(copy.deepcopy(resume["optimizer"]))
            torch.set_rng_state(resume["random"])
            if "cuda" in resume and z.device.type == "cuda":
                torch.cuda.set_rng_state(resume["cuda"], z.device)

        def state() -> FitState:
            return {
                "progress": dict(progress),
                "weights": _copy(self),
                "optimizer": copy.deepcopy(optimizer.state_dict()),
                "random": torch.get_rng_state(),
                **({"cuda": torch.cuda.get_rng_state(z.device)} if z.device.type == "cuda" else {}),
            }

        batch = min(self.batch, len(train))
        while progress["epoch"] < self.epochs and not self._is_stopped(progress):
            self._train_epoch(train, batch, optimizer, self.rate(progress["epoch"]))
            progress["epoch"] += 1
            if self.patience:
                self._keep_best(held_out, progress)
            checkpoint(state)
        self.chosen = {"epochs": progress["epoch"]}
        if self.patience and progress["best"]:
            self.load_state_dict(progress["best"])
            self.chosen = {"epochs": progress["best_epoch"]}

    def _is_stopped(self, progress: Mapping[str, Any]) -> bool:
        return bool(self.patience) and progress["epoch"] - progress["best_epoch"] >= self.patience

    def _train_epoch(self, z: Tensor, batch: int, optimizer: torch.optim.Optimizer, lr: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr
        self.train()
        order = torch.randperm(len(z)).to(z.device)
        for rows in order[: len(z) // batch * batch].view(-1, batch):
            optimizer.zero_grad()
            self.loss(z[rows]).backward()
            optimizer.step()
        self.eval()

    def _keep_best(self, held_out: Tensor, progress: dict[str, Any]) -> None:
        """Keep the weights if the held-out loss is the lowest so far."""
        with evaluating(self), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the same draws in every epoch, for losses that draw
            sums = [self.loss(part) * len(part) for part in held_out.split(EVALUATION_BATCH)]
        loss = float(torch.stack(sums).sum() / len(held_out))
        if loss < progress["best_loss"]:
            progress |= {"best_loss": loss, "best_epoch": progress["epoch"], "best": _copy(self)}


class FlowDensity(TrainedDensity):
    """A density with a normalizing flow from latents to noise."""

    @abstractmethod
    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Standardized latents (B, nz) -> noise (B, nz) and log |det| (B,)."""

    @abstractmethod
    def inverse(self, eps: Tensor) -> Tensor:
        """Noise (B, nz) -> standardized latents (B, nz)."""

    def loss(self, z: Tensor) -> Tensor:
        """Negative log-likelihood in nats, mean over the batch."""
        eps, logdet = self.forward(z)
        return -(log_normal(eps) + logdet).mean()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (B, nz) -> (B,) float64, computed in the precision of the weights."""
        eps, logdet = self.forward((z.to(self.shift) - self.shift) / self.scale)
        return (log_normal(eps) + logdet - self.scale.log().sum()).double()

    def _sample(self, n: int, generator: torch.Generator) -> Tensor:
        eps = standard_normal(n, self.nz, generator, self.shift.device).to(self.shift)
        parts = [self.inverse(part) for part in eps.split(EVALUATION_BATCH)]
        return torch.cat(parts) * self.scale + self.shift


class CouplingFlow(FlowDensity):
    """The paper's coupling flow (`zoo.flows.Flow`), trained on latents that do not change (end of Section 3.3).

    Args:
        nz: size of the latents, even.
        k: width of the flow's networks.
        blocks: number of blocks.
        standardize: not in the paper, whose flow learns the scale.
        schedule: arguments of `TrainedDensity`.
    """

    def __init__(self, nz: int, k: int = 64, blocks: int = 4, standardize: bool = False, **schedule: Any):
        super().__init__(nz, standardize=standardize, **schedule)
        self.flow = Flow(nz, k, blocks)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, nz) -> noise (B, nz) and log |det| (B,)."""
        pair: tuple[Tensor, Tensor] = self.flow(z)
        return pair

    def inverse(self, eps: Tensor) -> Tensor:
        """Noise (B, nz) -> latents (B, nz)."""
        return self.flow.inverse(eps)


class ZukoFlow(FlowDensity):
    """An autoregressive flow of the library zuko.

    Sources: Durkan et al. 2019 (neural spline flow), Papamakarios et al. 2017 (masked autoregressive flow).

    Args:
        nz: size of the latents.
        kind: name of the class in `zuko.flows`: NSF or MAF.
        k: width of the two hidden layers of each network.
        transforms: number of transforms.
        schedule: arguments of `TrainedDensity`.

    Raises:
        ImportError: zuko is not installed.
    """

    def __init__(self, nz: int, kind: str = "NSF", k: int = 64, transforms: int = 3, **schedule: Any):
        super().__init__(nz, **schedule)
        import zuko  # here: an optional package

        make = {"NSF": zuko.flows.NSF, "MAF": zuko.flows.MAF}[kind]
        self.flow: nn.Module = make(nz, transforms=transforms, hidden_features=(k, k))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, nz) -> noise (B, nz) and log |det| (B,)."""
        pair: tuple[Tensor, Tensor] = self.flow().transform.call_and_ladj(z)
        return pair

    def inverse(self, eps: Tensor) -> Tensor:
        """Noise (B, nz) -> latents (B, nz)."""
        z: Tensor = self.flow().transform.inv(eps)
        return z


class SecondStage(TrainedDensity):
    """The second stage of the Two-Stage VAE (Dai & Wipf): a VAE of latents, with a learned decoder variance.

    Departs: the Two-Stage VAE redraws its latents from q(z|x) in every epoch (B.4). Here each image has one latent.
    To switch: the model `two-stage-vae`.

    Args:
        nz: size of the latents, and of the VAE's own latent u.
        schedule: arguments of `TrainedDensity`.
    """

    def __init__(self, nz: int, **schedule: Any):
        super().__init__(nz, **schedule)
        self.encoder, self.decoder = SkipMLP(nz, heads=2), SkipMLP(nz, heads=1)
        self.log_gamma = nn.Parameter(torch.zeros(()))

    def loss(self, z: Tensor) -> Tensor:
        """||z - z'||^2 / (2 gamma^2) + nz log gamma + KL(q(u|z) || N(0, I)), mean over the batch."""
        mu, logvar = self.encoder(z)
        (y,) = self.decoder(draw_gaussian(mu, logvar))
        return gaussian_nll(z, y, self.log_gamma) + gaussian_kl(mu, logvar)

    def _sample(self, n: int, generator: torch.Generator) -> Tensor:
        u, eps = (standard_normal(n, self.nz, generator, self.shift.device).to(self.shift) for _ in range(2))
        y: Tensor = self.decoder(u)[0]
        return (y + self.log_gamma.exp() * eps) * self.scale + self.shift


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
