# Jobs that meet at their first attempt what a cluster may do to a job. Each writes the memory in
# MB that Slurm gave it.

# `scontrol` rather than the job's own word for it.
GIVEN = "scontrol show job $SLURM_JOB_ID | sed -nE 's/.*MinMemoryNode=(\\S+).*/\\1/p' >{output}"


rule all:
    default_target: True
    input:
        expand(
            "{fault}.txt",
            fault=("cancelled", "dead_node", "over_time", "out_of_memory"),
        ),
    localrule: True


rule cancelled:
    output:
        "cancelled.txt",
    resources:
        wait=lambda wildcards, attempt: 600 if attempt == 1 else 0,
    shell:
        "sleep {resources.wait}; " + GIVEN


rule dead_node:
    output:
        "dead_node.txt",
    resources:
        wait=lambda wildcards, attempt: 600 if attempt == 1 else 0,
        # No other job dies with its node.
        slurm_extra="--exclusive",
    shell:
        "sleep {resources.wait}; " + GIVEN


rule over_time:
    output:
        "over_time.txt",
    resources:
        wait=lambda wildcards, attempt: 600 if attempt == 1 else 0,
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "sleep {resources.wait}; " + GIVEN


# The test cluster enforces no limit: the job ends as the kernel would end it.
rule out_of_memory:
    output:
        "out_of_memory.txt",
    resources:
        signal=lambda wildcards, attempt: 9 if attempt == 1 else 0,
    shell:
        "kill -{resources.signal} $$; " + GIVEN
