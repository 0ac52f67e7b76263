"""The variational auto-encoder (VAE), and two VAEs with a flow: as the prior, or in the posterior (Section 3.4).

All three maximize an ELBO, which `VAE.loss` computes. The prior changes `divergence`, the posterior also `transform`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import e, log, pi

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, Stage, Update, check_positive, standard_normal
from zoo.flows import Flow, log_normal
from zoo.losses import draw_gaussian, gaussian_kl, gaussian_nll, reconstruction
from zoo.nets import Decoder, GaussianEncoder


class VAE(LatentModel):
    """Gaussian encoder, Gaussian decoder of precision beta, prior N(0, I) (Kingma & Welling; B.2).

    Departs: the paper gives no beta for this model ("common settings", B.2). It is 1, as for GLF.  To switch: beta.

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        beta: precision of the decoder, the weight of the reconstruction.
        recon: reconstruction loss, a key of `zoo.losses.RECON`.
        learn_gamma: learn the standard deviation of the decoder, one number that starts at 1. beta then has no effect
            (Section 4.2.1: "learnable decoder variance as done in [10]").
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        beta: float = 1.0,
        recon: str = "half-sse",
        learn_gamma: bool = False,
    ):
        super().__init__(image_shape, nz)
        check_positive(beta=beta)
        if learn_gamma and recon != "half-sse":
            raise ValueError(f"learn_gamma needs a Gaussian decoder: recon must be 'half-sse', got {recon!r}")
        self.beta, self.recon = beta, reconstruction(recon)
        self.encoder, self.decoder = GaussianEncoder(image_shape, nz), Decoder(image_shape, nz)
        self.log_gamma = nn.Parameter(torch.zeros(())) if learn_gamma else None

    def loss(self, x: Tensor) -> Loss:
        """The negative ELBO up to a constant: -log p(x|z) + KL(q(z|x) || p(z)), one draw of z per image."""
        h = self.encoder.features(x)
        mu, logvar = self.encoder.moments(h)
        z0 = draw_gaussian(mu, logvar)
        z, logdet = self.transform(z0, h)
        recon, weighted = self.reconstruct_loss(x, self.decoder(z))
        divergence, parts = self.divergence(z, mu, logvar, logdet)
        more = {"latent_std": mu.detach().std(0).mean(), "posterior_std": (0.5 * logvar.detach()).exp().mean()}
        if self.log_gamma is not None:
            more["log_gamma"] = self.log_gamma
        return weighted + divergence, {"recon": recon, **parts, **more}

    def reconstruct_loss(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The reconstruction loss, and the term that it contributes to the objective."""
        recon = self.recon(x, y)
        return recon, self.beta * recon if self.log_gamma is None else gaussian_nll(x, y, self.log_gamma)

    def transform(self, z0: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The input z of the decoder, (B, nz), from the encoder's draw z0, and log |det dz/dz0| (B,).

        Args:
            z0: draw from the Gaussian encoder, (B, nz).
            h: the encoder's features, (B, width).
        """
        return z0, torch.zeros(len(z0), device=z0.device)

    def divergence(self, z: Tensor, mu: Tensor, logvar: Tensor, logdet: Tensor) -> Loss:
        """KL(q(z|x) || p(z)) in nats, mean over the batch, and its terms."""
        kl = gaussian_kl(mu, logvar)
        return kl, {"kl": kl}

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameter groups of the only update."""
        groups = {"vae": [*self.encoder.parameters(), *self.decoder.parameters()]}
        return groups if self.log_gamma is None else {**groups, "gamma": [self.log_gamma]}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage with one update."""
        yield Stage("train", lambda: (x,), [Update(self.loss, self.groups())])

    def draw_latent(self, x: Tensor, eps: Tensor) -> Tensor:
        """A draw of the decoder's input in training, (B, nz)."""
        h = self.encoder.features(x)
        mu, logvar = self.encoder.moments(h)
        return self.transform(mu + (0.5 * logvar).exp() * eps, h)[0]

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; 0, I), (B,)."""
        return log_normal(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """z ~ N(0, I): (n, nz)."""
        return standard_normal(n, self.nz, generator, self.device)


def negative_entropy(logvar: Tensor) -> Tensor:
    """-H(N(mu, diag exp(logvar))) in nats, mean over the batch: (B, nz) -> ().

    Departs: Section 4.2.1 prints the entropy loss as -sum log(sigma) / 2, with sigma a standard deviation. Section 3.4
    prints it as the negative sum of the log-variances. It is -sum log(sigma), plus constants.  No switch.
    """
    return -0.5 * logvar.sum(dim=1).mean() - 0.5 * logvar.shape[1] * log(2 * pi * e)


class FlowPriorVAE(VAE):
    """VAE whose prior is a coupling flow, eq. (4): GLF's objective without stop-gradient, plus an entropy term.

    Args:
        image_shape, nz, beta, recon, learn_gamma: see `VAE`.
        k: width of the flow's networks.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        k: int,
        beta: float = 1.0,
        recon: str = "half-sse",
        learn_gamma: bool = False,
    ):
        super().__init__(image_shape, nz, beta, recon, learn_gamma)
        self.flow = Flow(nz, k)

    def divergence(self, z: Tensor, mu: Tensor, logvar: Tensor, logdet: Tensor) -> Loss:
        """E_q[-log p_flow(z)], estimated by one draw, minus the entropy of q(z|x), in closed form."""
        nll, entropy = -self.flow.log_prob(z).mean(), negative_entropy(logvar)
        return nll + entropy, {"nll": nll, "entropy": entropy}

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The flow has its own group, with weight decay as in GLF."""
        return {**super().groups(), "flow": [*self.flow.parameters()]}

    def log_prob(self, z: Tensor) -> Tensor:
        """log p_flow(z), (B,)."""
        return self.flow.log_prob(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """eps ~ N(0, I), z = f^-1(eps): (n, nz)."""
        return self.flow.sample(n, generator)

    def latent_path(self, n: int, t: Tensor, generator: torch.Generator) -> Tensor:
        """Lines that are straight in eps, as in Figure 2f: (n, T, nz)."""
        return self.flow.path(n, t, generator)


class FlowPosteriorVAE(VAE):
    """VAE whose posterior is a Gaussian transformed by a coupling flow: z = f(z0), z0 ~ N(mu, sigma^2) (Section 2).

    Departs: the paper calls flow posteriors "completely different" from flow priors. But if the flow does not depend
    on x, this objective equals, for every draw, that of a flow prior with the decoder G(f(z)).  To switch: conditional
    (`vae-flow-posterior-conditional`), as in the works that the paper cites.

    Args:
        image_shape, nz, beta, recon, learn_gamma: see `VAE`.
        k: width of the flow's networks.
        conditional: whether the encoder's features are also an input of the flow's networks (1024 in Table 3).
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        k: int,
        beta: float = 1.0,
        recon: str = "half-sse",
        learn_gamma: bool = False,
        conditional: bool = False,
    ):
        super().__init__(image_shape, nz, beta, recon, learn_gamma)
        self.conditional = conditional
        self.flow = Flow(nz, k, context=self.encoder.width if conditional else 0)

    def transform(self, z0: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(z0), conditioned on the features if the flow is conditional."""
        z, logdet = self.flow(z0, h if self.conditional else None)
        return z, logdet

    def divergence(self, z: Tensor, mu: Tensor, logvar: Tensor, logdet: Tensor) -> Loss:
        """E[log N(z0; mu, sigma^2)], in closed form, minus log |det dz/dz0| + log N(z; 0, I), estimated by one draw."""
        nll, entropy = -(log_normal(z) + logdet).mean(), negative_entropy(logvar)
        return nll + entropy, {"nll": nll, "entropy": entropy}

    def latent(self, x: Tensor) -> Tensor:
        """f(mu): (B, nz)."""
        h = self.encoder.features(x)
        return self.transform(self.encoder.moments(h)[0], h)[0]

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The flow has its own group, with weight decay as in GLF."""
        return {**super().groups(), "flow": [*self.flow.parameters()]}
