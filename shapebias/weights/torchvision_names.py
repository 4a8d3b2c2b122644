"""What torchvision calls the networks of a study; read while planning, and so without torch."""

from typing import Any

# Architectures whose weights torchvision publishes under names.
WITH_TORCHVISION_WEIGHTS = ("torchvision", "alexnet", "googlenet", "resnet")


def torchvision_name(architecture: dict[str, Any]) -> str:
    """Name of a network by its architecture, whose kind is one of `WITH_TORCHVISION_WEIGHTS`."""
    kind = architecture["kind"]
    if kind == "torchvision":
        return architecture["name"]
    return f"resnet{architecture.get('depth', 50)}" if kind == "resnet" else kind
