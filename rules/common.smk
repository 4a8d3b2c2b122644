# The study, the fingerprints of its jobs' code, and what happens before and after a run.

import sys

from planning.jobs import image_files, network_files, plugin_lists, report_files, tables
from planning.jobs.code_of import CodeOf
from planning.jobs.content import file_content, folder_content
from planning.jobs.study import one_of, without
from planning.networks.starts import starts_of
from planning.runs.failures import failure_summary
from planning.runs.watch import start, study_of, versions_of

main = workflow.is_main_process
study = study_of(config, workflow.configfiles, main=main)
code_of = CodeOf(study, versions_of(study, main=main))


onstart:
    start(study)


onsuccess:
    print(f"Report: results/{study.name}/report/report.html", file=sys.stderr)


onerror:
    print(failure_summary(log), file=sys.stderr)
