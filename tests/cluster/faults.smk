# Jobs that fail at their first attempt, as jobs on a cluster may. Each writes the memory in MB that
# Slurm gave it.

# As `scontrol` reports it, since the test cluster enforces no limit.
WRITE_MEMORY = "scontrol show job $SLURM_JOB_ID | sed -nE 's/.*MinMemoryNode=(\\S+).*/\\1/p' >{output}"


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
        "sleep {resources.wait}; " + WRITE_MEMORY


rule dead_node:
    output:
        "dead_node.txt",
    resources:
        wait=lambda wildcards, attempt: 600 if attempt == 1 else 0,
        # So that no other job runs on the node that is killed.
        slurm_extra="--exclusive",
    shell:
        "sleep {resources.wait}; " + WRITE_MEMORY


rule over_time:
    output:
        "over_time.txt",
    resources:
        wait=lambda wildcards, attempt: 600 if attempt == 1 else 0,
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "sleep {resources.wait}; " + WRITE_MEMORY


# The test cluster enforces no limit: the job kills itself as the kernel would.
rule out_of_memory:
    output:
        "out_of_memory.txt",
    resources:
        signal=lambda wildcards, attempt: 9 if attempt == 1 else 0,
    shell:
        "kill -{resources.signal} $$; " + WRITE_MEMORY
