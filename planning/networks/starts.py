"""Networks of a study that are made of others: what they start from, and with whose code."""

from typing import Any

from shapebias.errors import UnknownName

Networks = dict[str, dict[str, Any]]
# Settings of an architecture on which the shapes of its weights depend.
SHAPING = ("depth", "width", "batch_norm")


def starts_of(networks: Networks, name: str) -> list[str]:
    """Networks whose weights a network's training starts from: one, or an ensemble's two."""
    entry = networks[name]
    start = entry.get("training", {}).get("init_from")
    return [start] if start else members_of(entry)


def members_of(entry: dict[str, Any]) -> list[str]:
    """Names of the networks that an ensemble is made of; none for other architectures."""
    architecture = entry["architecture"]
    return list(architecture["members"]) if architecture["kind"] == "ensemble" else []


def whole_architecture(networks: Networks, name: str) -> dict[str, Any]:
    """Settings of a network's architecture, with those of its members in place of their names."""
    entry = networks[name]
    members = [whole_architecture(networks, member) for member in members_of(entry)]
    return entry["architecture"] | ({"members": members} if members else {})


def plugins_of_network(networks: Networks, name: str) -> list[tuple[str, str]]:
    """Family and kind of every plug-in that builds a network; a user's own module as `own`."""
    architecture = networks[name]["architecture"]
    found = [("architectures", architecture["kind"])]
    if architecture["kind"] == "factory":
        found.append(("own", architecture["function"].partition(":")[0]))
    for member in members_of(networks[name]):
        found += plugins_of_network(networks, member)
    return found


def start_error(networks: Networks) -> tuple[str, str] | None:
    """Place and mistake of the first network that cannot start from what it names."""
    for name, entry in networks.items():
        where, named = f"models.{name}.training.init_from", starts_of(networks, name)
        if members_of(entry):
            where = f"models.{name}.architecture.members"
            if len(named) != 2 or "init_from" in entry.get("training", {}) or "weights" in entry:
                return (
                    where,
                    "an ensemble is trained, from two members that it names, and no `init_from`",
                )
        for start in named:
            if start not in networks:
                return where, str(UnknownName("entry of models", start, networks))
        if circle := _circle(networks, name):
            return where, f"it starts from itself ({' <- '.join(circle)})"
        if not members_of(entry) and named and (wrong := _unlike(networks, name, named[0])):
            return where, wrong
    return None


def _unlike(networks: Networks, name: str, start: str) -> str | None:
    """In what a network cannot have the weights of another, as far as the study tells."""
    own, other = (networks[one]["architecture"] for one in (name, start))
    for key in SHAPING if own["kind"] == other["kind"] else ():
        if key in own and key in other and own[key] != other[key]:
            return f"{start} has `{key}: {other[key]}`, and {name} `{key}: {own[key]}`"
    return None


def _circle(networks: Networks, name: str) -> list[str]:
    """Way from a network back to itself through what it starts from; empty where there is none."""
    waiting, seen = [[name]], set()
    while waiting:
        way = waiting.pop()
        for start in starts_of(networks, way[-1]):
            if start == name:
                return [*way, start]
            if start in networks and start not in seen:
                seen.add(start)
                waiting.append([*way, start])
    return []
