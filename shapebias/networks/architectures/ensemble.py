"""Late fusion of two networks: one last layer reads the features of both."""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build as build_plugin
from shapebias.ranges import Range


def build(
    *, classes: list, members: list, input_size: Annotated[int, Range(ge=8)] | None = None
) -> Classifier:
    """Two networks side by side, with a last linear layer over the features of both.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    members
        Names of two networks of the study, from whose weights the training starts. In the saved
        description they are the networks' architectures.
    input_size
        Side of the images, in pixels; the first member's own by default.

    Returns
    -------
    Classifier with the named layers that both members have. A layer's channels are those of the
    first member, followed by those of the second.

    Raises
    ------
    ShapebiasError
        If there are not two members, one cannot be split at its layers or does not end in a linear
        layer, or they have no named layer in common at which their maps have the same size and
        layout.

    References
    ----------
    .. [1] Itazuri et al. (2019). What do adversarially robust models look at? Section 4.2.
       :DOI:`10.48550/arXiv.1905.07666`
    """
    if len(members) != 2:
        raise ShapebiasError(
            f"architectures/ensemble: `members` must name two networks, not {len(members)}"
        )
    size = {"input_size": input_size} if input_size else {}
    pair = [build_plugin("architectures", classes=classes, **size, **member) for member in members]
    for model in pair:
        if not model.is_split:
            raise ShapebiasError(
                f"architectures/ensemble: {model} cannot be split: give it other `layers`"
            )
    shared = _shared_layers(*pair)
    layouts = {layer: pair[0].layout(layer) for layer in shared}
    tails = [_without_last(model) for model in pair]
    network = LateFusion(*pair, sum(n_features for _, n_features in tails), len(classes))
    # Modules of both members between shared layers, the first preceded by normalisation.
    segments, start = {}, [[Normalised(model)] for model in pair]
    n_first, axis = None, 1
    for layer, layout in layouts.items():
        steps = [start[n] + _modules_before(pair[n], shared, layer) for n in range(2)]
        segments[layer] = [SideBySide(*steps, n_first=n_first, axes=(axis, layout.axis))]
        start, n_first, axis = [[], []], shared[layer], layout.axis
    ends = [_modules_before(pair[n], shared, None) + tails[n][0] for n in range(2)]
    return Classifier(
        network,
        segments=segments,
        tail=[SideBySide(*ends, n_first=n_first, axes=(axis, 1)), network.last],
        layouts=layouts,
        classes=classes,
        # Each member's own normalisation is in the first segment.
        mean=[0.0] * 3,
        std=[1.0] * 3,
        input_size=pair[0].input_size,
    )


class LateFusion(nn.Module):
    """Parameters of an ensemble: its members' networks without their last layers, and its own.

    Parameters
    ----------
    first, second
        Members, whose last layers have been removed.
    n_features, n_classes
        Inputs and outputs of the last layer.
    """

    def __init__(self, first: Classifier, second: Classifier, n_features: int, n_classes: int):
        super().__init__()
        self.first, self.second = first.network, second.network
        self.last = nn.Linear(n_features, n_classes)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)


class SideBySide(nn.Module):
    """Run modules of two members on their own channels, and concatenate the outputs.

    Parameters
    ----------
    first, second
        Modules of each member, in order.
    n_first
        Number of input channels that belong to the first member; None where both members read
        the whole input.
    axes
        Channel axes of the input and of the output.
    """

    def __init__(
        self,
        first: Sequence[nn.Module],
        second: Sequence[nn.Module],
        *,
        n_first: int | None,
        axes: tuple[int, int],
    ):
        super().__init__()
        self.first, self.second = nn.Sequential(*first), nn.Sequential(*second)
        self.n_first, self.axes = n_first, axes

    def forward(self, activation: Float[Tensor, "image ..."]) -> Float[Tensor, "image ..."]:
        """Outputs of the first member's modules, followed by those of the second's."""
        inputs = (activation, activation)
        if self.n_first is not None:
            inputs = activation.tensor_split([self.n_first], dim=self.axes[0])
        return torch.cat([self.first(inputs[0]), self.second(inputs[1])], dim=self.axes[1])


class Normalised(nn.Module):
    """Pixels normalised with one member's mean and standard deviation."""

    def __init__(self, member: Classifier):
        super().__init__()
        self.register_buffer("mean", member.mean, persistent=False)
        self.register_buffer("std", member.std, persistent=False)

    def forward(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 row column"]:
        """Normalised pixels."""
        return (images - self.mean) / self.std


@torch.no_grad()
def _shared_layers(first: Classifier, second: Classifier) -> dict[str, int]:
    """Layers of both members with maps of one size and layout; the first's number of channels."""
    blank = torch.zeros(1, 3, first.input_size, first.input_size)
    shapes, others = (
        {layer: (maps.shape, model.layout(layer)) for layer, maps in model.eval().walk(blank)}
        for model in (first, second)
    )
    shared = {
        layer: shape[1]
        for layer, (shape, layout) in shapes.items()
        if layer in others and (others[layer][0][2:], others[layer][1]) == (shape[2:], layout)
    }
    if not shared or list(shared) != [layer for layer in second.layers if layer in shared]:
        raise ShapebiasError(
            "architectures/ensemble: the members share no named layers with maps of one size "
            f"({', '.join(first.layers)}; {', '.join(second.layers)}): give them the same `layers`"
        )
    return shared


def _modules_before(
    model: Classifier, shared: dict[str, int], layer: str | None
) -> list[nn.Module]:
    """A member's modules from the shared layer before a layer to it; to the last layer for None."""
    modules: list[nn.Module] = []
    for name in model.layers:
        modules += model.modules_of(name)
        if name == layer:
            return modules
        if name in shared:
            modules = []
    return modules


def _without_last(model: Classifier) -> tuple[list[nn.Module], int]:
    """A member's tail without its last linear layer, and the number of that layer's inputs."""
    linear = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ShapebiasError(
            f"architectures/ensemble: {model} does not end in a linear layer: choose another member"
        )
    last, identity = linear[-1], nn.Identity()
    tail = [identity if module is last else module for module in model.modules_of(None)]
    for holder in (model.network, *tail):
        for name, module in list(holder.named_modules()):
            if module is last:
                holder.set_submodule(name, identity)
    return tail, last.in_features
