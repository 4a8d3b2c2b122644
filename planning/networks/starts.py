"""Networks whose training starts from the weights of other networks of the study."""

from planning.networks.members import Networks, members_of
from planning.study.errors import StudyError
from shapebias.errors import UnknownName

# Settings of an architecture that change the shapes of its weights.
SHAPE_SETTINGS = ("depth", "width", "batch_norm")


def starts_of(networks: Networks, name: str) -> list[str]:
    """Return the names of the networks from whose weights a network's training starts.

    That is the network in `init_from`, or both members of an ensemble.
    """
    entry = networks[name]
    start = entry.get("training", {}).get("init_from")
    return [start] if start else members_of(entry)


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
