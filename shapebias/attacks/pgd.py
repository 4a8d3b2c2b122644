"""Projected gradient descent in an L2 or L-infinity ball."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.attacks._types import Generators, Images, Labels
from shapebias.errors import ShapebiasError
from shapebias.networks.eval_mode import eval_mode
from shapebias.plugins import plugin
from shapebias.ranges import Range, distance_error


@plugin
class ProjectedGradient:
    """Attack that maximises a network's cross-entropy within a ball around each image.

    Parameters
    ----------
    norm
        "l2" or "linf", over all pixels and colours of an image in [0, 1].
    eps, step
        Radius of the ball and length of a step, in that norm, for pixels in [0, 1]: 8 levels of
        255 are 0.0313725 in linf, where both must be below 1. FGSM is one L-infinity step of
        length eps.
    steps
        Number of steps.
    random_start
        Start from a point drawn uniformly from the ball instead of the image.
    best_iterate
        Return the iterate of greatest loss instead of the last.
    step_rule
        "gradient" steps along the gradient divided by its L2 norm, "sign" along its sign, and
        "steepest" along the steepest of the two in the norm: the gradient for l2, the sign for
        linf.

    References
    ----------
    .. [1] Madry et al. (2018). Towards deep learning models resistant to adversarial attacks.
       ICLR. :DOI:`10.48550/arXiv.1706.06083`
    """

    norm: Literal["l2", "linf"]
    eps: Annotated[float, Range(ge=0)]
    step: Annotated[float, Range(ge=0)]
    steps: Annotated[int, Range(ge=0)]
    random_start: bool = False
    best_iterate: bool = False
    step_rule: Literal["steepest", "gradient", "sign"] = "steepest"

    def __post_init__(self):
        for name in ("eps", "step"):
            if error := distance_error(self.norm, getattr(self, name)):
                raise ShapebiasError(f"attacks: {name}: {error}")

    def __call__(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        generator: Generators | None = None,
    ) -> Images:
        """Compute adversarial images with the network in eval mode.

        The network's modes and the gradients of its parameters are left unchanged.

        Parameters
        ----------
        model
            Maps images to class scores.
        images
            sRGB pixels in [0, 1].
        labels
            Index of the class whose cross-entropy is maximised, one per image.
        generator
            Draws the random start: one for all images, or one per image. None is torch's global
            generator.

        Returns
        -------
        Pixels in [0, 1], within the ball around each image.
        """
        images = images.detach()
        with eval_mode(model):
            iterate = self._start(images, generator)
            if self.best_iterate:
                return self._best_iterate(model, images, labels, iterate)
            for _ in range(self.steps):
                gradient, _ = gradient_of(model, iterate, labels)
                iterate = self._next_iterate(iterate, gradient, images)
            return iterate

    def _best_iterate(
        self, model: nn.Module, images: Images, labels: Labels, iterate: Images
    ) -> Images:
        best, highest = iterate, images.new_full((len(images),), -torch.inf)
        for _ in range(self.steps):
            gradient, losses = gradient_of(model, iterate, labels)
            higher = losses > highest
            best = torch.where(higher[:, None, None, None], iterate, best)
            highest = torch.where(higher, losses, highest)
            iterate = self._next_iterate(iterate, gradient, images)
        # The last iterate is a candidate too, and needs no gradient.
        with torch.no_grad():
            losses = cross_entropy(model(iterate), labels, reduction="none")
        return torch.where((losses > highest)[:, None, None, None], iterate, best)

    def _next_iterate(self, iterate: Images, gradient: Images, images: Images) -> Images:
        by_sign = self.step_rule == "sign" or (self.step_rule == "steepest" and self.norm == "linf")
        direction = gradient.sign() if by_sign else gradient * inverse_norms(gradient)
        return self._project(iterate + self.step * direction - images, images)

    def _start(self, images: Images, generator: Generators | None) -> Images:
        if not self.random_start:
            return images
        if isinstance(generator, Sequence):
            pairs = zip(images, generator, strict=True)
            return torch.cat([self._start(image[None], draws) for image, draws in pairs])
        if self.norm == "linf":
            noise = torch.empty_like(images).uniform_(-self.eps, self.eps, generator=generator)
            return self._project(noise, images)
        noise = torch.empty_like(images).normal_(generator=generator)
        uniform = torch.rand(len(images), generator=generator, device=images.device)
        # Volume grows with the radius to the power of the dimension.
        radii = self.eps * uniform ** (1 / images[0].numel())
        return self._project(noise * inverse_norms(noise) * radii[:, None, None, None], images)

    def _project(self, change: Images, images: Images) -> Images:
        """Add a change to images after projecting it on the ball, and clip the sum to [0, 1]."""
        if self.norm == "linf":
            change = change.clamp(-self.eps, self.eps)
        else:
            change = change * (self.eps * inverse_norms(change)).clamp(max=1)
        return (images + change).clamp(0, 1)


def gradient_of(
    model: nn.Module, images: Images, labels: Labels
) -> tuple[Images, Float[Tensor, " image"]]:
    """Compute each image's cross-entropy and its gradient with respect to the image.

    Returns
    -------
    The gradients, and the losses, detached.
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        losses = cross_entropy(model(images), labels, reduction="none")
        # Differentiating by the images only leaves the parameters' gradients untouched.
        (gradient,) = torch.autograd.grad(losses.sum(), images)
    return gradient, losses.detach()


def inverse_norms(change: Images) -> Float[Tensor, "image 1 1 1"]:
    """Invert each image's L2 norm; the result is finite where the norm is zero."""
    norms = torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
    return 1 / norms.clamp(min=torch.finfo(change.dtype).tiny ** 0.5)
