"""Style transfer by optimisation: an image with one's features and another's Gram matrices."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.runtime.gpus import device
from shapebias.stimuli.stylizers._vgg import (
    VGG19,
    as_pixels,
    as_tensor,
    check_sides,
    draw_vgg19,
    features,
    load_vgg19,
    vgg19,
)

CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.02}
# relu5_1 sees one position for each sixteen pixels.
LEAST = 16


def build(
    *,
    weights: FilePath | None = None,
    seed: int = 0,
    steps: Annotated[int, Range(ge=1)] = 300,
    optimiser: Literal["lbfgs", "adam"] = "lbfgs",
    learning_rate: Annotated[float, Range(gt=0)] | None = None,
    content_weight: Annotated[float, Range(ge=0)] = 1.0,
    style_weight: Annotated[float, Range(ge=0)] = 1000.0,
    start: Literal["content", "noise"] = "content",
    pooling: Literal["average", "max"] = "average",
) -> "Gatys":
    """Stylizer ``stylizer(content, style, rng)`` of uint8 images ``(row, column, 3)``.

    Parameters
    ----------
    weights
        File of VGG-19's weights (`vgg_conv.pth` as published, torchvision's, or
        `vgg_normalised.pth`); None draws them at random from `seed`.
    seed
        Of random weights.
    steps
        Steps of the optimiser, at least 1.
    optimiser
        "lbfgs" with a line search, or "adam".
    learning_rate
        Length of a step for pixels in [0, 1]; None is 1 for lbfgs and 0.02 for adam.
    content_weight, style_weight
        Weights of the two losses, not negative. In what proportion they look well depends on
        the weights' scale.
    start
        "content", or "noise" drawn for each image.
    pooling
        "average", as published, or "max".

    Raises
    ------
    ShapebiasError
        If the file is missing, damaged, needs code to be opened, or is of another network.
    """
    if pooling not in ("average", "max"):
        raise UnknownName("pooling of gatys", pooling, ("average", "max"))
    network = vgg19(STYLE[-1], padding="zeros", pooling=pooling)
    network = draw_vgg19(network, seed=seed) if weights is None else load_vgg19(network, weights)
    return Gatys(
        network=network.to(device()),
        steps=steps,
        optimiser=optimiser,
        learning_rate=learning_rate,
        content_weight=content_weight,
        style_weight=style_weight,
        start=start,
    )


@dataclass(frozen=True, kw_only=True)
class Gatys:
    """Image whose features at relu4_2 are the content's and whose Gram matrices are the style's.

    Parameters
    ----------
    network
        VGG-19 of `shapebias.stimuli.stylizers._vgg`, up to relu5_1.
    steps, optimiser, learning_rate, content_weight, style_weight, start
        See `build`.

    References
    ----------
    .. [1] Gatys, Ecker & Bethge (2016). Image style transfer using convolutional neural networks.
       CVPR. :DOI:`10.1109/CVPR.2016.265`
    """

    network: VGG19 = field(repr=False)
    steps: int
    optimiser: str
    learning_rate: float | None
    content_weight: float
    style_weight: float
    start: str

    def __post_init__(self):
        if self.optimiser not in LEARNING_RATES:
            raise UnknownName("optimiser of gatys", self.optimiser, LEARNING_RATES)
        if self.start not in ("content", "noise"):
            raise UnknownName("start of gatys", self.start, ("content", "noise"))

    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Content in the style, which is brought to the content's size as published."""
        check_sides(content, LEAST, "a content image")
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
        """Image found from a first one, and the loss at every evaluation.

        Raises
        ------
        ShapebiasError
            If the loss is no longer a number.
        """
        wanted = features(self.network, content, [CONTENT])[CONTENT]
        grams = [gram(seen) for seen in features(self.network, style, STYLE).values()]
        image = first.clone().requires_grad_()
        optimiser, losses = self._optimiser(image), []

        def evaluate() -> Tensor:
            optimiser.zero_grad()
            loss = self.loss(image, wanted, grams)
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
        self, image: Tensor, wanted: Tensor, grams: list[Float[Tensor, "channel channel"]]
    ) -> Float[Tensor, ""]:
        """Weighted sum of the content's loss and the style's, with the published factors."""
        seen = features(self.network, image, [*STYLE, CONTENT])
        content = (seen[CONTENT] - wanted).square().sum() / 2
        style = [
            (gram(seen[name]) - target).square().mean() / 4
            for name, target in zip(STYLE, grams, strict=True)
        ]
        return self.content_weight * content + self.style_weight * sum(style) / len(STYLE)

    def _optimiser(self, image: Tensor) -> torch.optim.Optimizer:
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


def gram(seen: Float[Tensor, "1 channel row column"]) -> Float[Tensor, "channel channel"]:
    """Products of all pairs of channels, mean over positions."""
    maps = seen[0].flatten(1)
    return maps @ maps.T / maps.shape[1]
