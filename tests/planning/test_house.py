"""House rules that a machine can check."""

import ast
import graphlib
import re
import subprocess
import sys

import pytest
import yaml

from planning.runs.plugin_page import page
from planning.study.plugin_settings import LIBRARY, plugin_node, settings_of
from shapebias.plugins import FAMILIES, family_folder, kinds
from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
ROOMS = sorted((ROOT / "rules").glob("*.smk"))


def rules():
    """Text of each rule by its name."""
    found = {}
    for room in ROOMS:
        for block in re.split(r"\n(?=rule )", room.read_text()):
            if block.startswith("rule "):
                found[block.split()[1].rstrip(":")] = block
    return found


RULES = rules()


def test_the_contents_page_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_described_logged_and_fingerprinted(name):
    text = RULES[name]
    assert re.search(r'"""\S.*"""', text), "says what it makes"
    assert re.search(rf'code=code_of\(\s*"{name}"', text), "carries its script's fingerprint"
    assert f'"../scripts/{name}.py"' in text, "shares its name with its script"
    assert "log:" in text


def test_every_script_has_its_rule():
    assert {path.stem for path in SCRIPTS} == set(RULES)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin_and_know_snakemake_only_under_main(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    before = text.split('if __name__ == "__main__":')[0]
    assert "snakemake" not in before
    assert "def main(" in before


def test_the_library_knows_no_snakemake():
    for path in LIBRARY.rglob("*.py"):
        assert "snakemake" not in path.read_text().lower().replace("snakemake:", ""), path


def test_families_initialise_nothing():
    for path in LIBRARY.rglob("*/__init__.py"):
        assert path.read_text() == "", path


def test_every_plugin_has_settings_that_can_be_read():
    for family in FAMILIES:
        for kind in kinds(family) if family != "figures" else []:
            assert ast.get_docstring(plugin_node(family, kind)), kind
            settings_of(family, kind)


def test_the_page_on_plugins_is_current():
    assert (ROOT / "docs/plugins.md").read_text() == page(), "run `make docs`"


def test_parsing_loads_nothing_heavy():
    code = (
        "import sys; sys.path.insert(0, '.');"
        "import planning.study.read, planning.study.plugin_settings, yaml;"
        "import planning.fingerprints.code, planning.fingerprints.files;"
        "planning.study.read.read_study({}, whole=False);"
        "planning.fingerprints.code.fingerprint('predict_images');"
        "print(*{'torch', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_one_version_of_each_package():
    lock = dict(
        line.lower().split("==")
        for line in (ROOT / "envs/requirements.lock").read_text().splitlines()
        if "==" in line
    )
    conda = yaml.safe_load((ROOT / "envs/shapebias.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    for line in pip:
        if "==" in line:
            name, version = line.lower().split("==")
            assert lock[name] == version, name
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        one for extra in project["optional-dependencies"].values() for one in extra
    ]
    from packaging.requirements import Requirement

    for requirement in map(Requirement, wanted):
        assert lock[requirement.name.lower()] in requirement.specifier, requirement
        if requirement.name.lower() in {
            r.name.lower() for r in map(Requirement, project["dependencies"])
        }:
            assert any(line.lower().startswith(requirement.name.lower() + "==") for line in pip)


def test_the_container_has_what_the_set_up_installs():
    container = (ROOT / "envs/Containerfile").read_text()
    script = (ROOT / "envs/set_up").read_text()
    packages = re.search(r"^packages=\((.*)\)$", script, re.MULTILINE)[1].split()
    assert set(packages) <= set(container.split())
    # The Python packages come from the lock file, by the same script.
    assert "RUN make .venv/ready" in container and "envs/requirements.lock" in script


def test_the_environment_is_the_locked_one():
    from importlib.metadata import version

    for line in (ROOT / "envs/requirements.lock").read_text().splitlines():
        if "==" in line:
            name, locked = line.split("==")
            assert version(name).split("+")[0] == locked, name


def test_the_page_on_tables_is_current():
    from shapebias.io.table_schemas import documentation

    assert (ROOT / "docs/tables.md").read_text() == documentation()


def test_no_machine_paths_in_the_tree():
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".smk", ".md", ".yaml", ".yml", ".rst", ".toml", ".cff", ".lock"}:
            assert not re.search(
                r"/(work|farm|root)/",
                path.read_text()
                .replace('"/(work|farm|root)/"', "")
                .replace("/(work|farm|root)/", ""),
            ), name


def test_the_page_on_the_papers_names_what_there_is():
    from shapebias.io.table_schemas import TABLES
    from shapebias.plugins import kinds

    text = (ROOT / "docs/papers.md").read_text()
    questions = (LIBRARY / "data/questions.csv").read_text()
    there = {
        "tables": TABLES,
        "figures": kinds("figures"),
        "studies": {path.name for path in (ROOT / "studies").iterdir()},
    }
    for folder, names in there.items():
        named = set(re.findall(rf"`{folder}/([\w.]+)`", text))
        assert named and named <= set(names), folder
    for folder in ("tables", "figures"):
        left = set(there[folder]) - set(re.findall(rf"`{folder}/(\w+)`", text))
        assert left <= {"rejected", "training_log", "training_speed"}, left
    for question in re.findall(r'"([^"]+\?)"', text):
        assert question in questions, question
    networks = "".join((ROOT / "studies" / name).read_text() for name in there["studies"])
    for name in re.findall(r"rows of ([^|]+?) in", text):
        for network in re.findall(r"`(\w+)`", name):
            assert re.sub(r"_\d$", "", network) in networks, network


# The library's packages by floor: a package imports only from floors before its own.
FLOORS = (
    {"data"},
    {"io"},
    {"weights", "runtime"},
    {"stimuli", "networks"},
    {"attacks", "training", "behaviour", "smoothness", "dissection", "ablation"},
    {"report"},
)
MODULES_A_PACKAGE = 15
ROOT_MODULES = {
    "__init__",
    "errors",
    "intervals",
    "plugins",
    "progress",
    "ranges",
    "seeds",
    "torchvision_import",
}
ADAPTERS = {"planning", "scripts"}


def imported_modules(path):
    """Dotted names of the modules of this project that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            files = {name for name in inner if is_module(name)}
            found |= files or {node.module}
    return {name for name in found if name.split(".")[0] in {"shapebias", *ADAPTERS}}


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def package_of(module):
    """Package on a floor of the library, or None for a root module."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else None


MODULES = {module_of(path): path for path in LIBRARY.rglob("*.py")}


def test_every_package_has_a_floor():
    folders = {path.name for path in LIBRARY.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == set().union(*FLOORS)
    assert {path.stem for path in LIBRARY.glob("*.py")} == ROOT_MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_floors_before_its_own(module):
    floor_of = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
    own = package_of(module)
    for imported in imported_modules(MODULES[module]):
        assert imported.split(".")[0] not in ADAPTERS, imported
        package = package_of(imported)
        if package is not None and package != own:
            assert own is not None, f"a root module imports {imported}"
            # Measurements share a floor, and so never import each other.
            assert floor_of[package] < floor_of[own], imported


def test_no_modules_import_each_other_in_a_circle():
    planning = {module_of(path): path for path in (ROOT / "planning").rglob("*.py")}
    graph = {
        module: imported_modules(path) - {module} for module, path in (MODULES | planning).items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()


def test_no_packages_import_each_other_in_a_circle():
    graph = {}
    for module, path in MODULES.items():
        own = module.rpartition(".")[0]
        # A family's plug-ins stand in a package of their own below what builds them.
        for imported in imported_modules(path):
            other = imported if (ROOT / imported.replace(".", "/")).is_dir() else ""
            other = other or imported.rpartition(".")[0]
            if other != own:
                graph.setdefault(own, set()).add(other)
    graphlib.TopologicalSorter(graph).prepare()


def test_packages_are_of_a_size_that_can_be_overseen():
    families = {family_folder(family) for family in FAMILIES}
    for top in (LIBRARY, ROOT / "planning"):
        for folder in {path.parent for path in top.rglob("*.py")} - families:
            names = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(names) <= MODULES_A_PACKAGE, folder


def test_rules_are_short_and_hold_no_python_modules():
    for path in (ROOT / "rules").iterdir():
        if path.name != "__pycache__":
            assert path.suffix == ".smk", path
            assert len(path.read_text().splitlines()) < 200, path


def test_only_the_report_draws():
    for module, path in MODULES.items():
        if package_of(module) != "report":
            assert not re.search(r"^\s*(import|from) matplotlib", path.read_text(), re.M), module
