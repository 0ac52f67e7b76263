"""What a trained model can do: latents of images, reconstructions, samples, lines between them, densities.

    python examples/trained.py results/local/runs/KEY/weights.pt digits

prints what it finds and writes pictures beside the weights.  A model of your own is named, too, so that its class is
imported (a file of weights cannot ask for that): `... weights.pt digits gaussian_ae:GaussianAE`.
"""

import sys
from pathlib import Path

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.evaluation import image_grid
from benchmarks.printing import prepare_output


def main(weights: Path, dataset: str, own: str = "") -> None:
    """Show what a model makes of the test images of a data set."""
    if own:
        zoo.adopt(own)
    model = zoo.load(weights)  # on the CPU, in evaluation mode; model.to("cuda") moves it
    images = datasets.load(dataset, None).test.canonical(32).images  # (32, C, H, W) uint8

    samples = model.sample(64, seed=0)  # (64, C, H, W) in [0, 1]
    print(image_grid.save_grid(samples, weights.with_name("samples-64.png")))
    print(image_grid.save_grid(model.path(8, 8, seed=0).flatten(0, 1), weights.with_name("lines.png")))

    try:
        z = model.encode(images)  # (32, nz)
    except NotImplementedError as reason:  # codes learned per example
        print(f"no latents of images: {reason}")
        return
    y = model.decode(z)  # what model.reconstruct(images) is
    error = (y - images / 255).square().flatten(1).sum(1).mean()
    print(f"squared error of reconstructions, summed over pixels: {error:.2f}")
    pairs = torch.stack([images / 255, y], dim=1).flatten(0, 1)
    print(image_grid.save_grid(pairs, weights.with_name("reconstructions.png")))

    try:
        with torch.no_grad():
            density = model.log_prob(z)  # (32,)
        print(f"log-density of these images' latents: {density.mean():.2f} nats on average")
    except NotImplementedError as reason:
        print(f"no densities: {reason}")


if __name__ == "__main__":
    prepare_output()  # this terminal may not have all characters of names
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python examples/trained.py WEIGHTS DATASET [package.module:Class]")
    main(Path(sys.argv[1]), *sys.argv[2:])
