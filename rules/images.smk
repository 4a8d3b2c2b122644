# 1. Source images, concept sets, the segmenter that makes silhouettes, and derived images.

TRAINED_SEGMENTERS = [
    name for name, entry in config["segmenters"].items() if "training" in entry
]
DOWNLOADS = {
    Path(download_folder(folder)).name: folder
    for folder in config["folders"].values()
    if not isinstance(folder, str)
}


rule download_images:
    """Image set from its publisher's address, checked and unpacked."""
    output:
        note="downloads/{download}/content.json",
    log:
        "<results>/logs/download_images/{download}.log",
    wildcard_constraints:
        download=one_of(DOWNLOADS),
    # Where there is a cluster, only its head may reach the network.
    localrule: True
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("download_images"),
        download=lambda wildcards: DOWNLOADS[wildcards.download],
    script:
        "../scripts/download_images.py"


rule ingest_images:
    """Images of a source, as they were published or as they are rendered."""
    input:
        downloads=lambda wildcards: downloads_of(IMAGES[wildcards.image_set]),
    output:
        images="<results>/images/{image_set}/part-{part}.parquet",
    log:
        "<results>/logs/ingest_images/{image_set}-{part}.log",
    wildcard_constraints:
        image_set=one_of(SOURCES),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=1_000,
        runtime=240,
    params:
        code=code_of("ingest_images", plugins_of_source),
        source=lambda wildcards: source_settings(IMAGES[wildcards.image_set]),
        content=lambda wildcards: content_of_folder(IMAGES[wildcards.image_set]),
        resize=entry("images/{image_set}/resize"),
        crop=entry("images/{image_set}/crop"),
        most_rejected=entry("images/{image_set}/most_rejected"),
        parts=entry("images/{image_set}/parts"),
    script:
        "../scripts/ingest_images.py"


rule ingest_concepts:
    """Images of a concept set with their label maps and whole-image labels."""
    input:
        downloads=lambda wildcards: downloads_of(
            config["concepts"][wildcards.concept_set]
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
        code=code_of(
            "ingest_concepts",
            lambda wildcards: [
                ("datasets", config["concepts"][wildcards.concept_set]["kind"])
            ],
        ),
        source=lambda wildcards: source_settings(
            config["concepts"][wildcards.concept_set]
        ),
        content=lambda wildcards: content_of_folder(
            config["concepts"][wildcards.concept_set]
        ),
        resize=entry("concepts/{concept_set}/resize"),
        crop=entry("concepts/{concept_set}/crop"),
        most_rejected=entry("concepts/{concept_set}/most_rejected"),
        parts=entry("concepts/{concept_set}/parts"),
    script:
        "../scripts/ingest_concepts.py"


# Sets that can lack images of what they are made from.
SIEVED = SOURCES + [name for name in STORED if "segmenter" in IMAGES[name]["transform"]]


rule tabulate_rejected:
    """Images that a source refused or a silhouette left out, and why."""
    input:
        parts=[path for name in SIEVED for path in image_files(name)]
        + [path for name in config["concepts"] for path in concept_files(name)],
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
        sets=[name for name in SIEVED for _ in image_files(name)]
        + [name for name in config["concepts"] for _ in concept_files(name)],
    script:
        "../scripts/tabulate_rejected.py"


rule train_segmenter:
    """Segmentation network trained on a concept set's label maps."""
    input:
        concepts=lambda wildcards: concept_files(
            config["segmenters"][wildcards.segmenter]["concepts"]
        ),
    output:
        weights="<results>/segmenters/{segmenter}/segmenter.safetensors",
    log:
        "<results>/logs/train_segmenter/{segmenter}.log",
    wildcard_constraints:
        segmenter=one_of(TRAINED_SEGMENTERS),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=240,
    params:
        code=code_of(
            "train_segmenter",
            plugins_of_segmenter,
        ),
        architecture=segmenter_settings,
        category=entry("segmenters/{segmenter}/category"),
        training=entry("segmenters/{segmenter}/training"),
    script:
        "../scripts/train_segmenter.py"


rule import_segmenter:
    """Segmentation network with published weights."""
    input:
        weights=segmenter_weights,
    output:
        weights="<results>/segmenters/{segmenter}/segmenter.safetensors",
    log:
        "<results>/logs/import_segmenter/{segmenter}.log",
    wildcard_constraints:
        segmenter=one_of(set(config["segmenters"]) - set(TRAINED_SEGMENTERS)),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_of("import_segmenter", plugins_of_segmenter),
        content=content_of_files(segmenter_weights),
        architecture=segmenter_settings,
    script:
        "../scripts/import_segmenter.py"


rule derive_images:
    """Images of a set after a transform, with what was drawn for each."""
    input:
        images=lambda wildcards: image_files(IMAGES[wildcards.image_set]["from"])[
            int(wildcards.part)
        ],
        styles=style_files,
        segmenter=segmenter_files,
        files=transform_files,
    output:
        images="<results>/images/{image_set}/part-{part}.parquet",
    log:
        "<results>/logs/derive_images/{image_set}-{part}.log",
    wildcard_constraints:
        image_set=one_of(STORED),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=2_000,
        runtime=240,
    params:
        code=code_of("derive_images", plugins_of_transform),
        content=content_of_files(transform_files),
        transform=transform_of,
    script:
        "../scripts/derive_images.py"
