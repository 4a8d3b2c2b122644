"""Rules on the layout, dependencies and language of the project."""

import ast
import graphlib
import re
import subprocess
import sys

import pytest
import yaml

from planning.runs.plugin_page import page
from planning.study.plugin_settings import LIBRARY, plugin_nodes, settings_of
from shapebias.plugins import FAMILIES, family_folder, kinds
from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
RULE_FILES = sorted((ROOT / "rules").glob("*.smk"))


def rules():
    """Return the text of each rule by its name."""
    texts = {}
    for path in RULE_FILES:
        for block in re.split(r"\n(?=rule )", path.read_text()):
            if block.startswith("rule "):
                texts[block.split()[1].rstrip(":")] = block
    return texts


RULES = rules()


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_described_logged_and_fingerprinted(name):
    text = RULES[name]
    assert re.search(r'"""\S.*"""', text), "the rule has no docstring"
    assert re.search(rf'code=code_of\(\s*"{name}"', text), (
        "the rule has no fingerprint of its script"
    )
    assert f'"../scripts/{name}.py"' in text, "the rule and its script differ in name"
    assert "log:" in text


def test_every_script_has_its_rule():
    assert {path.stem for path in SCRIPTS} == set(RULES)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin_and_use_snakemake_only_under_main(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    before = text.split('if __name__ == "__main__":')[0]
    assert "snakemake" not in before
    (main,) = [node for node in ast.parse(before).body if getattr(node, "name", "") == "main"]
    parameters = main.args
    assert not (parameters.args or parameters.vararg or parameters.kwarg), "keywords only"
    assert all(parameter.annotation for parameter in parameters.kwonlyargs)


def test_the_library_does_not_use_snakemake():
    for path in LIBRARY.rglob("*.py"):
        assert "snakemake" not in path.read_text().lower().replace("snakemake:", ""), path


def test_init_files_are_empty():
    for path in LIBRARY.rglob("*/__init__.py"):
        assert path.read_text() == "", path


def test_every_plugin_has_a_docstring_and_readable_settings():
    for family in FAMILIES:
        for kind in kinds(family) if family != "figures" else []:
            assert ast.get_docstring(plugin_nodes(family, kind)[-1]), kind
            settings_of(family, kind)


def test_the_page_on_plugins_is_up_to_date():
    assert (ROOT / "docs/plugins.md").read_text() == page(), "run `make docs`"


def test_the_page_on_plugins_lists_each_setting_once():
    sections = dict(
        (section.partition("`")[0], section.partition("\n")[2])
        for section in re.split(r"\n### `", page())[1:]
    )
    listed = {
        kind: [
            name
            for line in section.partition("\n## ")[0].splitlines()
            if line.startswith("- ")
            for name in re.findall(r"`(\w+)`", line.partition(": ")[0])
        ]
        for kind, section in sections.items()
    }
    assert all(len(names) == len(set(names)) for names in listed.values())
    assert {"stylizer", "styles"} <= set(listed["stylize"])
    assert listed["corrupt"] == ["corruption"]
    assert "segmenter" in listed["silhouette"]
    assert listed["advprop"].count("label_smoothing") == 1
    assert "attack" in listed["adversarial"] and "attack" in listed["advprop"]
    assert not {"classes", "input_size"} & {*listed["resnet"], *listed["deeplab"]}
    assert "]_" not in page()


def test_planning_imports_no_large_packages():
    code = (
        "import sys; sys.path.insert(0, '.');"
        "import planning.study.read, planning.study.plugin_settings, yaml;"
        "import planning.fingerprints.code, planning.fingerprints.files;"
        "planning.study.read.read_study({}, whole=False);"
        "planning.fingerprints.code.fingerprint('predict_images');"
        "print(*{'torch', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_all_files_name_the_same_package_versions():
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
    extras = project["optional-dependencies"].values()
    requirements = project["dependencies"] + [name for extra in extras for name in extra]
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        assert lock[requirement.name.lower()] in requirement.specifier, requirement
        if requirement.name.lower() in {
            r.name.lower() for r in map(Requirement, project["dependencies"])
        }:
            assert any(line.lower().startswith(requirement.name.lower() + "==") for line in pip)


def test_the_container_installs_the_system_packages_of_the_set_up():
    container = (ROOT / "envs/Containerfile").read_text()
    script = (ROOT / "envs/set_up").read_text()
    packages = re.search(r"^packages=\((.*)\)$", script, re.MULTILINE)[1].split()
    assert set(packages) <= set(container.split())
    # The same script installs the Python packages of the lock file.
    assert "RUN make .venv/ready" in container and "envs/requirements.lock" in script


def test_the_environment_has_the_locked_versions():
    from importlib.metadata import version

    for line in (ROOT / "envs/requirements.lock").read_text().splitlines():
        if "==" in line:
            name, locked = line.split("==")
            assert version(name).split("+")[0] == locked, name


def test_the_page_on_tables_is_up_to_date():
    from shapebias.io.table_schemas import documentation

    assert (ROOT / "docs/tables.md").read_text() == documentation()


def project_files():
    """Return the paths of the files that git does not ignore, relative to the project."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_no_file_contains_machine_paths():
    for name in project_files():
        path = ROOT / name
        if path.suffix in {".py", ".smk", ".md", ".yaml", ".yml", ".rst", ".toml", ".cff", ".lock"}:
            assert not re.search(
                r"/(work|farm|root)/",
                path.read_text()
                .replace('"/(work|farm|root)/"', "")
                .replace("/(work|farm|root)/", ""),
            ), name


def test_the_page_on_the_papers_names_existing_items():
    from shapebias.io.table_schemas import TABLES
    from shapebias.plugins import kinds

    text = (ROOT / "docs/papers.md").read_text()
    questions = (LIBRARY / "data/questions.csv").read_text()
    existing = {
        "tables": TABLES,
        "figures": kinds("figures"),
        "studies": {path.name for path in (ROOT / "studies").iterdir()},
    }
    for folder, names in existing.items():
        named = set(re.findall(rf"`{folder}/([\w.]+)`", text))
        assert named and named <= set(names), folder
    for folder in ("tables", "figures"):
        missing = set(existing[folder]) - set(re.findall(rf"`{folder}/(\w+)`", text))
        assert missing <= {"rejected", "training_log", "training_speed"}, missing
    for question in re.findall(r'"([^"]+\?)"', text):
        assert question in questions, question
    networks = "".join((ROOT / "studies" / name).read_text() for name in existing["studies"])
    for name in re.findall(r"rows of ([^|]+?) in", text):
        for network in re.findall(r"`(\w+)`", name):
            assert re.sub(r"_\d$", "", network) in networks, network


# Layers of the library's packages: a package imports only from layers before its own.
LAYERS = (
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
    """Return the modules of this project that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if is_module(name)}
            names |= modules or {node.module}
    return {name for name in names if name.split(".")[0] in {"shapebias", *ADAPTERS}}


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def package_of(module):
    """Return the package of a module, or None for a root module."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else None


MODULES = {module_of(path): path for path in LIBRARY.rglob("*.py")}


def test_every_package_is_in_a_layer():
    folders = {path.name for path in LIBRARY.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == set().union(*LAYERS)
    assert {path.stem for path in LIBRARY.glob("*.py")} == ROOT_MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_earlier_layers(module):
    layer_of = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}
    own_package = package_of(module)
    for imported in imported_modules(MODULES[module]):
        assert imported.split(".")[0] not in ADAPTERS, imported
        package = package_of(imported)
        if package is not None and package != own_package:
            assert own_package is not None, f"a root module imports {imported}"
            # Measurements are in one layer, so they never import each other.
            assert layer_of[package] < layer_of[own_package], imported


def test_no_import_cycles_of_modules():
    planning = {module_of(path): path for path in (ROOT / "planning").rglob("*.py")}
    graph = {
        module: imported_modules(path) - {module} for module, path in (MODULES | planning).items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()


def test_no_import_cycles_of_packages():
    graph = {}
    for module, path in MODULES.items():
        package = module.rpartition(".")[0]
        # The plug-ins of a family are a package below the modules that build them.
        for imported in imported_modules(path):
            other = imported if (ROOT / imported.replace(".", "/")).is_dir() else ""
            other = other or imported.rpartition(".")[0]
            if other != package:
                graph.setdefault(package, set()).add(other)
    graphlib.TopologicalSorter(graph).prepare()


def test_packages_have_few_modules():
    families = {family_folder(family) for family in FAMILIES}
    for top in (LIBRARY, ROOT / "planning"):
        for folder in {path.parent for path in top.rglob("*.py")} - families:
            names = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(names) <= MODULES_A_PACKAGE, folder


def test_rule_files_are_short_and_the_only_files_of_their_folder():
    for path in (ROOT / "rules").iterdir():
        if path.name != "__pycache__":
            assert path.suffix == ".smk", path
            assert len(path.read_text().splitlines()) < 200, path


def test_only_the_report_draws():
    for module, path in MODULES.items():
        if package_of(module) != "report":
            assert not re.search(r"^\s*(import|from) matplotlib", path.read_text(), re.M), module


# Words that once had a private meaning here. Write: printed, reported, returned; again; randomised
# control, copy, counterpart; ablated; installed, current.
REPLACED_WORDS = re.compile(r"\b(told|said|anew|twins?|silenced|silent|of now)\b", re.IGNORECASE)
# Not checked: notes on earlier versions, reproductions, and this list.
EXCEPTED_FILES = ("CHANGELOG.md", "docs/reproductions/", "tests/planning/test_house.py")
# Texts that results depend on: the tag of a seed.
QUOTATIONS = {"scripts/dissect_randomised_networks.py": '"twin"'}


def test_replaced_words_do_not_come_back():
    suffixes = (".py", ".smk", ".md", ".rst", ".yaml", ".jinja", "Snakefile")
    names = [name for name in project_files() if name.endswith(suffixes)]
    places = []
    for name in names:
        if not name.startswith(EXCEPTED_FILES):
            text = (ROOT / name).read_text().replace(QUOTATIONS.get(name, "\0"), "")
            for number, line in enumerate(text.splitlines(), start=1):
                # Parts of names are words as well.
                if word := REPLACED_WORDS.search(line.replace("_", " ")):
                    places.append(f"{name}:{number}: {word[0]}")
    assert not places, "\n".join(places)
