"""Names of torchvision's networks; imported while planning, and therefore without torch."""

from typing import Any

# Kinds of architectures that have weights published by torchvision.
WITH_TORCHVISION_WEIGHTS = ("torchvision", "alexnet", "googlenet", "resnet")


def torchvision_name(architecture: dict[str, Any]) -> str:
    """Torchvision's name of a network whose kind is in `WITH_TORCHVISION_WEIGHTS`.

    Examples
    --------
    >>> torchvision_name({"kind": "resnet", "depth": 18})
    'resnet18'
    """
    kind = architecture["kind"]
    if kind == "torchvision":
        return architecture["name"]
    return f"resnet{architecture.get('depth', 50)}" if kind == "resnet" else kind
