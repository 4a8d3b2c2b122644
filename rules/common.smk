# The study, the fingerprints of its jobs' code, and what happens before and after a run.

import sys

from planning.jobs import code_of as plugins_of
from planning.jobs import image_files as sets
from planning.jobs import network_files as networks
from planning.jobs import report_files as reports
from planning.jobs import tables as public
from planning.jobs.code_of import CodeOf, file_content, folder_content
from planning.jobs.study import one_of, without
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
