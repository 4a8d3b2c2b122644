"""Import of a checkpoint of 100 MB: ResNet-50 as torchvision publishes it, with random weights.

Each import is a process of its own; its time is that of reading, checking and writing, and its
memory the peak beyond what the libraries take once they are loaded.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import harness

ROUNDS, SECONDS_BAR, MEMORY_BAR = 5, 5.0, 3.0


def run(name: str) -> None:
    """Print the time and the memory, and write them as well."""
    import torch

    from shapebias.torchvision_import import torchvision

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "resnet50.pth")
        torch.save(torchvision.models.resnet50().state_dict(), path)
        size = path.stat().st_size / 1e6
        command = [sys.executable, "-m", "benchmarks.importing", str(path)]
        found = [measured(command) for _ in range(ROUNDS)]
    rows = []
    for what, unit, bar in (("seconds", "s", SECONDS_BAR), ("memory", "times", MEMORY_BAR)):
        values = [one[what] / (size if what == "memory" else 1) for one in found]
        middle = median(values)
        row = {"name": name, "case": f"ResNet-50, {size:.0f} MB, {what}", "value": middle}
        rows.append({**row, "values": values, "bar": bar, "ok": middle <= bar})
        spread = f"{middle:.2f} ({min(values):.2f}-{max(values):.2f}) {unit}"
        verdict = "ok" if middle <= bar else "short"
        print(f"{name}  {row['case']}  {spread}  at most {bar:g}  {verdict}", flush=True)
    harness.write(name, rows, packages=["torchvision", "safetensors"])


def measured(command: list[str]) -> dict[str, float]:
    """What a process of this file has found, in its last line, after what the import says."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def imported(path: str) -> dict[str, float]:
    """Seconds of an import in this process, and the megabytes that it takes."""
    import shapebias.networks.architectures.resnet  # noqa: F401
    from shapebias.networks.import_weights import import_network
    from shapebias.stimuli.entry_level_classes import imagenet_classes
    from shapebias.torchvision_import import torchvision  # noqa: F401

    before, start = peak(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        import_network(
            path,
            Path(folder, "weights.safetensors"),
            Path(folder, "model.json"),
            architecture={"kind": "resnet", "depth": 50},
            classes=list(imagenet_classes()),
            input_size=None,
            source={},
        )
    return {"seconds": time.perf_counter() - start, "memory": peak() - before}


def peak() -> float:
    """Megabytes of memory at most so far."""
    # ASSUME Linux, where the peak is given in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(imported(sys.argv[1])))
