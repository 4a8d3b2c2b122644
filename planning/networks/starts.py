"""Networks whose training starts from the weights of other networks of the study."""

from typing import Any

from planning.study.errors import StudyError
from shapebias.errors import UnknownName

Networks = dict[str, dict[str, Any]]
# Settings of an architecture that change the shapes of its weights.
SHAPE_SETTINGS = ("depth", "width", "batch_norm")


def starts_of(networks: Networks, name: str) -> list[str]:
    """Names of the networks from whose weights a network's training starts.

    That is the network in `init_from`, or both members of an ensemble.
    """
    entry = networks[name]
    start = entry.get("training", {}).get("init_from")
    return [start] if start else members_of(entry)


def members_of(entry: dict[str, Any]) -> list[str]:
    """Names of an ensemble's members; none for other architectures."""
    architecture = entry["architecture"]
    return list(architecture["members"]) if architecture["kind"] == "ensemble" else []


def whole_architecture(networks: Networks, name: str) -> dict[str, Any]:
    """Settings of a network's architecture, with its members' settings in place of their names."""
    entry = networks[name]
    members = [whole_architecture(networks, member) for member in members_of(entry)]
    return entry["architecture"] | ({"members": members} if members else {})


def plugins_of_network(networks: Networks, name: str) -> list[tuple[str, str]]:
    """Family and kind of every plug-in that builds a network; a user's module has family `own`."""
    architecture = networks[name]["architecture"]
    plugins = [("architectures", architecture["kind"])]
    if architecture["kind"] == "factory":
        plugins.append(("own", architecture["function"].partition(":")[0]))
    for member in members_of(networks[name]):
        plugins += plugins_of_network(networks, member)
    return plugins


def check_starts(networks: Networks) -> None:
    """Raise `StudyError` for the first network that cannot start from those it names."""
    for name, entry in networks.items():
        where, starts = f"models.{name}.training.init_from", starts_of(networks, name)
        if members_of(entry):
            where = f"models.{name}.architecture.members"
            if len(starts) != 2 or "init_from" in entry.get("training", {}) or "weights" in entry:
                raise StudyError(
                    f"{where}: an ensemble needs `training`, exactly two members and no `init_from`"
                )
        for start in starts:
            if start not in networks:
                raise StudyError(f"{where}: {UnknownName('entry of models', start, networks)}")
        if cycle := _cycle(networks, name):
            raise StudyError(f"{where}: it starts from itself ({' <- '.join(cycle)})")
        if starts and not members_of(entry):
            _check_shapes(where, networks, name, starts[0])


def _check_shapes(where: str, networks: Networks, name: str, start: str) -> None:
    """Raise `StudyError` if two architectures have weights of different shapes.

    Settings that the study does not give, and different kinds, are left to the training job.
    """
    architecture, other = (networks[network]["architecture"] for network in (name, start))
    if architecture["kind"] != other["kind"]:
        return
    for key in SHAPE_SETTINGS:
        if key in architecture and key in other and architecture[key] != other[key]:
            raise StudyError(
                f"{where}: {start} has `{key}: {other[key]}`, and {name} `{key}: "
                f"{architecture[key]}`"
            )


def _cycle(networks: Networks, name: str) -> list[str]:
    """Path from a network back to itself through the networks that it starts from, if any."""
    paths, visited = [[name]], set()
    while paths:
        path = paths.pop()
        for start in starts_of(networks, path[-1]):
            if start == name:
                return [*path, start]
            if start in networks and start not in visited:
                visited.add(start)
                paths.append([*path, start])
    return []
