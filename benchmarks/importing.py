"""Time and memory of importing a checkpoint of 100 MB: a ResNet-50 with random weights.

Each import runs in a process of its own. The time covers reading, checking and writing; the memory
is the peak above that of the process after all libraries are loaded.
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
    """Print and write the time and the memory."""
    import torch

    from shapebias.torchvision_import import torchvision

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "resnet50.pth")
        torch.save(torchvision.models.resnet50().state_dict(), path)
        size = path.stat().st_size / 1e6
        command = [sys.executable, "-m", "benchmarks.importing", str(path)]
        results = [run_process(command) for _ in range(ROUNDS)]
    rows = []
    for what, unit, bar in (("seconds", "s", SECONDS_BAR), ("memory", "times", MEMORY_BAR)):
        values = [result[what] / (size if what == "memory" else 1) for result in results]
        middle = median(values)
        row = {"name": name, "case": f"ResNet-50, {size:.0f} MB, {what}", "value": middle}
        rows.append({**row, "values": values, "bar": bar, "ok": middle <= bar})
        spread = f"{middle:.2f} ({min(values):.2f}-{max(values):.2f}) {unit}"
        verdict = "ok" if middle <= bar else "too slow"
        print(f"{name}  {row['case']}  {spread}  at most {bar:g}  {verdict}", flush=True)
    harness.write(name, rows, packages=["torchvision", "safetensors"])


def run_process(command: list[str]) -> dict[str, float]:
    """Run this file in a process; return the results in the last line of its output."""
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


def time_import(path: str) -> dict[str, float]:
    """Import a checkpoint in this process; return the seconds and megabytes that it takes."""
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
    """Return the peak memory of this process in megabytes."""
    # ASSUME Linux, where the peak is given in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(time_import(sys.argv[1])))
