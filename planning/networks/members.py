"""Architectures of networks, with those of an ensemble's members."""

from typing import Any

Networks = dict[str, dict[str, Any]]


def members_of(entry: dict[str, Any]) -> list[str]:
    """Return the names of an ensemble's members; none for other architectures."""
    architecture = entry["architecture"]
    return list(architecture["members"]) if architecture["kind"] == "ensemble" else []


def whole_architecture(networks: Networks, name: str) -> dict[str, Any]:
    """Return a network's architecture, with its members' settings in place of their names."""
    entry = networks[name]
    members = [whole_architecture(networks, member) for member in members_of(entry)]
    return entry["architecture"] | ({"members": members} if members else {})


def plugins_of_network(networks: Networks, name: str) -> list[tuple[str, str]]:
    """Return family and kind of every plug-in that builds a network.

    A user's module has the family `own`.
    """
    architecture = networks[name]["architecture"]
    plugins = [("architectures", architecture["kind"])]
    if architecture["kind"] == "factory":
        plugins.append(("own", architecture["function"].partition(":")[0]))
    for member in members_of(networks[name]):
        plugins += plugins_of_network(networks, member)
    return plugins
