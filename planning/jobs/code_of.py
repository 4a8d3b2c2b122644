"""The code that the results of a job depend on: its script, plug-ins and packages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planning.fingerprints.code import fingerprint, packages
from planning.fingerprints.user_code import digest_of_module
from planning.jobs.plugin_lists import Plugins
from planning.jobs.study import Entry, Study


@dataclass(frozen=True)
class CodeOf:
    """Fingerprints of the code of jobs, with the study and seed that their outputs record.

    Parameters
    ----------
    study
        Study whose jobs these are.
    versions
        Version of each package, as recorded for the study.
    """

    study: Study
    versions: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self, script: str, *plugins: Callable[[Study, Any], Plugins]
    ) -> Callable[[Any], Entry]:
        """Return a function of the wildcards that gives the fingerprint of a job.

        Parameters
        ----------
        script
            Name of the rule and of its script.
        plugins
            Functions of the study and the wildcards that give the plug-ins that a job uses.
        """

        def code(wildcards: Any) -> Entry:
            pairs = [pair for function in plugins for pair in function(self.study, wildcards)]
            own_code = [digest_of_module(kind) for family, kind in pairs if family == "own"]
            named = tuple(pair for pair in pairs if pair[0] != "own")
            return {
                "study": self.study.name,
                "seed": self.study.config["seed"],
                "fingerprint": fingerprint(script, named),
                "packages": {
                    name: self.versions.get(name, "absent") for name in packages(script, named)
                },
                **({"own_code": own_code} if own_code else {}),
            }

        return code
