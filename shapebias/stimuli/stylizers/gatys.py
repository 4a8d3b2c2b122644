"""Style transfer by optimisation of an image's features and Gram matrices."""

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.ranges import Range
from shapebias.runtime.gpus import device
from shapebias.stimuli.stylizers._vgg import (
    VGG19,
    as_pixels,
    as_tensor,
    check_size,
    draw_vgg19,
    features,
    load_vgg19,
    vgg19,
)

CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.02}
# relu5_1 has one position for each sixteen pixels.
MIN_SIDE = 16


@plugin
class Gatys:
    """Optimise an image for the content's features at relu4_2 and the style's Gram matrices.

    Parameters
    ----------
    weights
        File of the weights of VGG-19 (`vgg_conv.pth` as published, torchvision's, or
        `vgg_normalised.pth`); None draws them at random from `seed`.
    seed
        Seed of random weights.
    steps
        Steps of the optimiser.
    optimiser
        "lbfgs" with a line search, or "adam".
    learning_rate
        Step size for pixels in [0, 1]; None is 1 for lbfgs and 0.02 for adam.
    content_weight, style_weight
        Weights of the two losses. A suitable ratio depends on the scale of the network's weights.
    start
        First image: "content", or "noise" drawn for each image.
    pooling
        "average", as published, or "max".

    Raises
    ------
    ShapebiasError
        If the file is missing, damaged, requires code to be opened, or is of another network.

    References
    ----------
    .. [1] Gatys, Ecker & Bethge (2016). Image style transfer using convolutional neural networks.
       CVPR. :DOI:`10.1109/CVPR.2016.265`
    """

    weights: FilePath | None = None
    seed: int = 0
    steps: Annotated[int, Range(ge=1)] = 300
    optimiser: Literal["lbfgs", "adam"] = "lbfgs"
    learning_rate: Annotated[float, Range(gt=0)] | None = None
    content_weight: Annotated[float, Range(ge=0)] = 1.0
    style_weight: Annotated[float, Range(ge=0)] = 1000.0
    start: Literal["content", "noise"] = "content"
    pooling: Literal["average", "max"] = "average"

    def __post_init__(self):
        # Loading the network now reports a wrong file before the first image.
        _ = self.network

    @cached_property
    def network(self) -> VGG19:
        """VGG-19 up to relu5_1."""
        network = vgg19(STYLE[-1], padding="zeros", pooling=self.pooling)
        if self.weights is None:
            return draw_vgg19(network, seed=self.seed).to(device())
        return load_vgg19(network, self.weights).to(device())

    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Stylize an image; the style is resized to the size of the content, as published."""
        check_size(content, MIN_SIDE, "a content image")
        rows, columns, _ = content.shape
        style = np.array(Image.fromarray(style).resize((columns, rows), Image.Resampling.LANCZOS))
        first = content if self.start == "content" else rng.integers(0, 256, content.shape)
        images = (as_tensor(image, device()) for image in (content, style, first.astype(np.uint8)))
        image, _ = self.optimise(*images)
        return as_pixels(image)

    def optimise(
        self,
        content: Float[Tensor, "1 3 row column"],
        style: Float[Tensor, "1 3 row column"],
        first: Float[Tensor, "1 3 row column"],
    ) -> tuple[Float[Tensor, "1 3 row column"], list[float]]:
        """Optimise an image from a first one; return it and the loss at every evaluation.

        Raises
        ------
        ShapebiasError
            If the loss is not finite.
        """
        target = features(self.network, content, [CONTENT])[CONTENT]
        grams = [gram(maps) for maps in features(self.network, style, STYLE).values()]
        image = first.clone().requires_grad_()
        optimiser, losses = self._optimiser(image), []

        def evaluate() -> Tensor:
            optimiser.zero_grad()
            loss = self.loss(image, target, grams)
            loss.backward()
            losses.append(loss.item())
            return loss

        # L-BFGS does all its steps in one call.
        for _ in range(1 if self.optimiser == "lbfgs" else self.steps):
            optimiser.step(evaluate)
        if not np.isfinite(losses).all():
            raise ShapebiasError(f"gatys: the loss is {losses[-1]}; lower the learning_rate")
        return image.detach(), losses

    def loss(
        self,
        image: Float[Tensor, "1 3 row column"],
        target: Float[Tensor, "1 channel map_row map_column"],
        grams: list[Float[Tensor, "_ _"]],
    ) -> Float[Tensor, ""]:
        """Weighted sum of the content loss and the style loss, with the published factors.

        Parameters
        ----------
        image
            Image that is evaluated.
        target
            Features of the content at relu4_2.
        grams
            Gram matrices of the style.
        """
        activations = features(self.network, image, [*STYLE, CONTENT])
        content = (activations[CONTENT] - target).square().sum() / 2
        style = [
            (gram(activations[name]) - style_gram).square().mean() / 4
            for name, style_gram in zip(STYLE, grams, strict=True)
        ]
        return self.content_weight * content + self.style_weight * sum(style) / len(STYLE)

    def _optimiser(self, image: Float[Tensor, "1 3 row column"]) -> torch.optim.Optimizer:
        """Build the optimiser of an image."""
        rate = LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate
        if self.optimiser == "adam":
            return torch.optim.Adam([image], lr=rate)
        return torch.optim.LBFGS(
            [image],
            lr=rate,
            max_iter=self.steps,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )


def gram(activations: Float[Tensor, "1 channel row column"]) -> Float[Tensor, "channel channel"]:
    """Compute the Gram matrix of feature maps: products of channels, averaged over positions."""
    maps = activations[0].flatten(1)
    return maps @ maps.T / maps.shape[1]
