"""Images bent by a smooth flow field that leads a network astray."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, grid_sample

from shapebias.networks.eval_mode import eval_mode
from shapebias.ranges import Range

Images = Float[Tensor, "image channel row column"]
Flow = Float[Tensor, "image row column 2"]
# Keeps the length of a difference differentiable where it is zero; in square pixels.
TINY = 1e-7


def build(
    *,
    step: Annotated[float, Range(ge=0)] = 0.25,
    steps: Annotated[int, Range(ge=0)] = 10,
    max_flow: Annotated[float, Range(ge=0)] = 1.0,
    smoothness: Annotated[float, Range(ge=0)] = 0.003,
) -> "SpatialTransform":
    """Attack that moves pixels and never changes their values, as stAdv does.

    The flow climbs the network's cross-entropy less `smoothness` times the flow's own roughness.
    Each step moves an image's fastest pixel by `step`.

    Parameters
    ----------
    step
        Length of a step, in pixels.
    steps
        Number of steps.
    le
        Farthest that a pixel is fetched from, in each direction, in pixels.
    smoothness
        Weight of the flow's total variation, a sum of lengths in pixels. Published in units of
        half the image's side; 0.05 there is 0.003 here for images of 32 pixels.

    Notes
    -----
    Published stAdv climbs by L-BFGS without a bound, all images of a batch in one problem, which
    makes an image's flow depend on its companions. Here each image is climbed alone.

    References
    ----------
    .. [1] Xiao et al. (2018). Spatially transformed adversarial examples. ICLR.
       :DOI:`10.48550/arXiv.1801.02612`
    .. [2] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. :DOI:`10.48550/arXiv.1905.09797`
    """
    return SpatialTransform(step=step, steps=steps, max_flow=max_flow, smoothness=smoothness)


@dataclass(frozen=True, kw_only=True)
class SpatialTransform:
    """The attack that `build` describes."""

    step: float
    steps: int
    max_flow: float
    smoothness: float

    def __call__(
        self,
        model: nn.Module,
        images: Images,
        labels: Int[Tensor, " image"],
        *,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
    ) -> Images:
        """Bent images in [0, 1], found with the model in eval mode.

        The model's modes and its parameters' gradients are left as they were. Nothing is drawn:
        `generator` is what attacks are handed.
        """
        images = images.detach()
        flow = images.new_zeros(len(images), *images.shape[2:], 2)
        with eval_mode(model):
            for _ in range(self.steps):
                uphill = self._gradient(model, images, labels, flow)
                fastest = uphill.abs().amax(dim=(1, 2, 3), keepdim=True)
                uphill = uphill / fastest.clamp(min=torch.finfo(uphill.dtype).tiny)
                flow = (flow + self.step * uphill).clamp(-self.max_flow, self.max_flow)
        return bent(images, flow)

    def _gradient(self, model, images, labels, flow) -> Flow:
        flow = flow.detach().requires_grad_()
        with torch.enable_grad():
            losses = cross_entropy(model(bent(images, flow)), labels, reduction="sum")
            climbed = losses - self.smoothness * roughness(flow).sum()
            # With respect to the flow alone: the parameters' gradients are never touched.
            (gradient,) = torch.autograd.grad(climbed, flow)
        return gradient


def bent(images: Images, flow: Flow) -> Images:
    """Images whose pixels are fetched from elsewhere, bilinear; beyond the border, from the border.

    Parameters
    ----------
    flow
        Where each pixel is fetched from, in pixels from its own place: right, then down.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[..., 1]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[..., 0]
    # Centres of pixels in the units of `grid_sample`, in which an image reaches from -1 to 1.
    places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(images, places, padding_mode="border", align_corners=False).clamp(0, 1)


def roughness(flow: Flow) -> Float[Tensor, " image"]:
    """Total variation of each flow: lengths of its differences between neighbours, summed."""
    down, right = flow.diff(dim=1), flow.diff(dim=2)
    lengths = [(TINY + way.square().sum(dim=-1)).sqrt().sum(dim=(1, 2)) for way in (down, right)]
    return lengths[0] + lengths[1]
