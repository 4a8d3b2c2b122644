# 1. Source images, concept sets, the segmenter that makes silhouettes, and derived images.

DOWNLOADS = image_files.downloads(study)


rule download_images:
    """Image set downloaded from its publisher, verified and unpacked."""
    output:
        record="downloads/{download}/content.json",
    log:
        "<results>/logs/download_images/{download}.log",
    wildcard_constraints:
        download=one_of(DOWNLOADS),
    # Local, as on many clusters only the login node can reach the internet.
    localrule: True
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("download_images"),
        download=lambda wildcards: DOWNLOADS[wildcards.download],
    script:
        "../scripts/download_images.py"


rule ingest_images:
    """Images of a source: published ones, or rendered ones."""
    input:
        downloads=lambda wildcards: image_files.download_records(
            study, study.images[wildcards.image_set]
        ),
    output:
        images="<results>/images/{image_set}/part-{part}.parquet",
    log:
        "<results>/logs/ingest_images/{image_set}-{part}.log",
    wildcard_constraints:
        image_set=one_of(study.source_sets),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=1_000,
        runtime=240,
    params:
        code=code_of("ingest_images", plugin_lists.source_plugins),
        source=lambda wildcards: image_files.source_settings(
            study, study.images[wildcards.image_set]
        ),
        content=lambda wildcards: folder_content(
            study, study.images[wildcards.image_set]
        ),
        resize=study.entry("images/{image_set}/resize"),
        crop=study.entry("images/{image_set}/crop"),
        max_rejected=study.entry("images/{image_set}/max_rejected"),
        parts=study.entry("images/{image_set}/parts"),
    script:
        "../scripts/ingest_images.py"


rule ingest_concepts:
    """Images of a concept set with their label maps and whole-image labels."""
    input:
        downloads=lambda wildcards: image_files.download_records(
            study, study.concepts[wildcards.concept_set]
        ),
    output:
        concepts="<results>/concepts/{concept_set}/part-{part}.parquet",
    log:
        "<results>/logs/ingest_concepts/{concept_set}-{part}.log",
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=1_000,
        runtime=240,
    params:
        code=code_of("ingest_concepts", plugin_lists.concept_plugins),
        source=lambda wildcards: image_files.source_settings(
            study, study.concepts[wildcards.concept_set]
        ),
        content=lambda wildcards: folder_content(
            study, study.concepts[wildcards.concept_set]
        ),
        resize=study.entry("concepts/{concept_set}/resize"),
        crop=study.entry("concepts/{concept_set}/crop"),
        max_rejected=study.entry("concepts/{concept_set}/max_rejected"),
        parts=study.entry("concepts/{concept_set}/parts"),
    script:
        "../scripts/ingest_concepts.py"


rule tabulate_rejected:
    """Images that a source rejected or a silhouette left out, and why."""
    input:
        parts=[file for _, file in image_files.rejecting_files(study)],
    output:
        table="<results>/tables/rejected.parquet",
        csv="<results>/tables/rejected.csv",
    log:
        "<results>/logs/tabulate_rejected.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_rejected"),
        # Set of each of the files above.
        sets=[name for name, _ in image_files.rejecting_files(study)],
    script:
        "../scripts/tabulate_rejected.py"


rule train_segmenter:
    """Segmentation network trained on a concept set's label maps."""
    input:
        concepts=lambda wildcards: image_files.concept_files(
            study, study.segmenters[wildcards.segmenter]["concepts"]
        ),
    output:
        weights="<results>/segmenters/{segmenter}/segmenter.safetensors",
    log:
        "<results>/logs/train_segmenter/{segmenter}.log",
    wildcard_constraints:
        segmenter=one_of(study.trained_segmenters),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=240,
    params:
        code=code_of("train_segmenter", plugin_lists.segmenter_plugins),
        architecture=lambda wildcards: image_files.segmenter_settings(
            study, wildcards.segmenter
        ),
        category=study.entry("segmenters/{segmenter}/category"),
        training=study.entry("segmenters/{segmenter}/training"),
    script:
        "../scripts/train_segmenter.py"


rule import_segmenter:
    """Segmentation network with published weights."""
    input:
        weights=lambda wildcards: image_files.segmenter_weights(
            study, wildcards.segmenter
        ),
    output:
        weights="<results>/segmenters/{segmenter}/segmenter.safetensors",
    log:
        "<results>/logs/import_segmenter/{segmenter}.log",
    wildcard_constraints:
        segmenter=one_of(set(study.segmenters) - set(study.trained_segmenters)),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_of("import_segmenter", plugin_lists.segmenter_plugins),
        content=lambda wildcards: file_content(
            image_files.segmenter_weights(study, wildcards.segmenter)
        ),
        architecture=lambda wildcards: image_files.segmenter_settings(
            study, wildcards.segmenter
        ),
    script:
        "../scripts/import_segmenter.py"


rule derive_images:
    """Images of a set after a transform, with the random choices made for each."""
    input:
        images=lambda wildcards: image_files.image_files(
            study, study.images[wildcards.image_set]["from"]
        )[int(wildcards.part)],
        styles=lambda wildcards: image_files.style_files(study, wildcards.image_set),
        segmenter=lambda wildcards: image_files.segmenter_files(
            study, wildcards.image_set
        ),
        files=lambda wildcards: image_files.transform_files(study, wildcards.image_set),
    output:
        images="<results>/images/{image_set}/part-{part}.parquet",
    log:
        "<results>/logs/derive_images/{image_set}-{part}.log",
    wildcard_constraints:
        image_set=one_of(study.derived_sets),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=2_000,
        runtime=240,
    params:
        code=code_of("derive_images", plugin_lists.transform_plugins),
        content=lambda wildcards: file_content(
            image_files.transform_files(study, wildcards.image_set)
        ),
        transform=lambda wildcards: image_files.transform_settings(
            study, wildcards.image_set
        ),
    script:
        "../scripts/derive_images.py"
