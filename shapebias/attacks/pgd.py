"""Projected gradient descent in an L2 or L-infinity ball."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.errors import ShapebiasError
from shapebias.networks.eval_mode import eval_mode
from shapebias.ranges import Range, distance_error

Images = Float[Tensor, "image channel row column"]


def build(
    *,
    norm: Literal["l2", "linf"],
    eps: Annotated[float, Range(ge=0)],
    step: Annotated[float, Range(ge=0)],
    steps: Annotated[int, Range(ge=0)],
    random_start: bool = False,
    best_iterate: bool = False,
    step_rule: Literal["steepest", "gradient", "sign"] = "steepest",
) -> "ProjectedGradient":
    """Attack that climbs a network's cross-entropy within a ball about each image.

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
        Start from a point drawn uniformly from the ball, not from the image.
    best_iterate
        Return the iterate of greatest loss, not the last.
    step_rule
        "gradient" steps along the gradient over its L2 norm, "sign" along its sign, and
        "steepest" along the one of the two that is steepest in the norm: the gradient for l2,
        the sign for linf.

    References
    ----------
    .. [1] Madry et al. (2018). Towards deep learning models resistant to adversarial attacks.
       ICLR. :DOI:`10.48550/arXiv.1706.06083`
    """
    return ProjectedGradient(
        norm=norm,
        eps=eps,
        step=step,
        steps=steps,
        random_start=random_start,
        best_iterate=best_iterate,
        step_rule=step_rule,
    )


@dataclass(frozen=True, kw_only=True)
class ProjectedGradient:
    """The attack that `build` describes."""

    norm: str
    eps: float
    step: float
    steps: int
    random_start: bool
    best_iterate: bool
    step_rule: str

    def __post_init__(self):
        for name in ("eps", "step"):
            if wrong := distance_error(self.norm, getattr(self, name)):
                raise ShapebiasError(f"attacks: {name}: {wrong}")

    def __call__(
        self,
        model: nn.Module,
        images: Images,
        labels: Int[Tensor, " image"],
        *,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
    ) -> Images:
        """Adversarial images in [0, 1], found with the model in eval mode.

        The model's modes and its parameters' gradients are left as they were.

        Parameters
        ----------
        model
            From images to class scores.
        images
            sRGB pixels in [0, 1].
        labels
            Class index to lead away from.
        generator
            Of the random start, or one an image; torch's global one where none is given.
        """
        with eval_mode(model):
            return self._climb(model, images.detach(), labels, generator)

    def _climb(self, model, images, labels, generator) -> Images:
        current = self._start(images, generator)
        if not self.best_iterate:
            for _ in range(self.steps):
                gradient, _ = gradient_of(model, current, labels)
                current = self._stepped(current, gradient, images)
            return current
        best, highest = current, images.new_full((len(images),), -torch.inf)
        for _ in range(self.steps):
            gradient, losses = gradient_of(model, current, labels)
            higher = losses > highest
            best = torch.where(higher[:, None, None, None], current, best)
            highest = torch.where(higher, losses, highest)
            current = self._stepped(current, gradient, images)
        # The last iterate counts too, and needs no gradient.
        with torch.no_grad():
            losses = cross_entropy(model(current), labels, reduction="none")
        return torch.where((losses > highest)[:, None, None, None], current, best)

    def _stepped(self, current: Images, gradient: Images, images: Images) -> Images:
        by_sign = self.step_rule == "sign" or (self.step_rule == "steepest" and self.norm == "linf")
        direction = gradient.sign() if by_sign else gradient * inverse_norms(gradient)
        return self._within(current + self.step * direction - images, images)

    def _start(
        self, images: Images, generator: torch.Generator | Sequence[torch.Generator] | None
    ) -> Images:
        if not self.random_start:
            return images
        if isinstance(generator, Sequence):
            pairs = zip(images, generator, strict=True)
            return torch.cat([self._start(image[None], own) for image, own in pairs])
        if self.norm == "linf":
            noise = torch.empty_like(images).uniform_(-self.eps, self.eps, generator=generator)
            return self._within(noise, images)
        noise = torch.empty_like(images).normal_(generator=generator)
        shares = torch.rand(len(images), generator=generator, device=images.device)
        # Volume grows with the radius to the power of the dimension.
        radii = self.eps * shares ** (1 / images[0].numel())
        return self._within(noise * inverse_norms(noise) * radii[:, None, None, None], images)

    def _within(self, change: Images, images: Images) -> Images:
        """Apply a change after projecting it on the ball; keep the sum in [0, 1]."""
        if self.norm == "linf":
            change = change.clamp(-self.eps, self.eps)
        else:
            change = change * (self.eps * inverse_norms(change)).clamp(max=1)
        return (images + change).clamp(0, 1)


def gradient_of(
    model: nn.Module, images: Images, labels: Int[Tensor, " image"]
) -> tuple[Images, Float[Tensor, " image"]]:
    """Gradient of each image's own cross-entropy, and those losses."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        losses = cross_entropy(model(images), labels, reduction="none")
        # With respect to the images alone: the parameters' gradients are never touched.
        (gradient,) = torch.autograd.grad(losses.sum(), images)
    return gradient, losses.detach()


def inverse_norms(change: Images) -> Float[Tensor, "image 1 1 1"]:
    """One over each image's L2 norm; finite where that norm is zero."""
    norms = torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
    return 1 / norms.clamp(min=torch.finfo(change.dtype).tiny ** 0.5)
