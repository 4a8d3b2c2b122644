"""Schemas of the public tables, declared once."""

from dataclasses import dataclass

import pyarrow as pa

TYPES = {"text": pa.string(), "count": pa.int64(), "number": pa.float64()}


@dataclass(frozen=True)
class Column:
    """One column: its name, its type in `TYPES`, its unit, and what it holds."""

    name: str
    type: str
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table: what a row is, and its columns in order."""

    row: str
    columns: tuple[Column, ...]

    def schema(self) -> pa.Schema:
        """Arrow schema, with unit and description in each field's metadata."""
        return pa.schema(
            pa.field(c.name, TYPES[c.type], metadata={"unit": c.unit, "description": c.description})
            for c in self.columns
        )


MODEL = Column("model", "text", "", "network's name in the study")
PAIR = Column("pair", "text", "", "pair's name in the study")
LAYER = Column("layer", "text", "", "named layer of the network, after its ReLU where one follows")
CHANNEL = Column("channel", "count", "", "index along the layer's channel axis, from 0")
IMAGE_SET = Column("image_set", "text", "", "image set's name in the study")
LAYER_OR_ALL = Column(
    "layer",
    "text",
    "",
    f"{LAYER.description}; `all` is all named layers together, so sums leave it out",
)
AT_ZERO = "0 counts what meets its concept at all"
CONCEPT = Column("concept", "text", "", "concept's name in the concept set")
CATEGORY = Column("category", "text", "", "concept's category")
N_SHAPE = Column("n_shape", "count", "images", "conflict images that got their shape's class")
N_TEXTURE = Column("n_texture", "count", "images", "conflict images that got their texture's class")


def _number(name: str, unit: str, description: str) -> Column:
    return Column(name, "number", unit, description)


def _count(name: str, unit: str, description: str) -> Column:
    return Column(name, "count", unit, description)


# One digit in the last place is what float32 leaves open where batches differ.
ROUNDED = ", to 1e-5"
SHAPE_SCORE = _count("shape_score", "images", "images labelled by shape before, otherwise after")
TEXTURE_SCORE = _count(
    "texture_score", "images", "images labelled by texture before, otherwise after"
)
SHAPE_CHANGE = _number(
    "mean_shape_change",
    "probability",
    f"probability of the shape's class after less before, mean over n_shape images{ROUNDED}",
)
TEXTURE_CHANGE = _number(
    "mean_texture_change",
    "probability",
    f"probability of the texture's class after less before, mean over n_texture images{ROUNDED}",
)


def _shares(cue: str) -> tuple[Column, ...]:
    """Columns on the share of the decisions by a cue that a silenced channel loses."""
    name, ends = f"{cue}_share", "end of its 95 % interval over channels, empty for a single one"
    share = f"{cue.capitalize()} score / n_{cue}, mean over those channels; empty if n_{cue} is 0"
    return (
        _number(f"mean_{name}", "fraction", share),
        _number(f"{name}_low", "fraction", f"lower {ends}"),
        _number(f"{name}_high", "fraction", f"upper {ends}"),
    )


def _by_chance(name: str, unit: str, what: str) -> tuple[Column, ...]:
    """Columns on what silencing random channels does."""
    return (
        _number(name, unit, f"{what} without random channels, mean over the draws"),
        _number(f"{name}_sd", unit, "standard deviation over the draws, empty for a single one"),
    )


LABEL = (
    LAYER,
    CHANNEL,
    Column(
        "concept",
        "text",
        "",
        "the channel's label: the concept of highest IoU, however small; of equals that of the "
        "first category in the order object, part, scene, material, texture, color, any other, "
        "then that of the lowest number in the concept set; where the IoU is 0 it means nothing",
    ),
    CATEGORY,
    _number(
        "iou",
        "fraction",
        "intersection over union of the channel's mask and that concept; 0 where it meets none",
    ),
    _number(
        "threshold",
        "activation",
        "activation exceeded at the quantile of positions",
    ),
    _count("diversity", "concepts", "concepts with an IoU of at least 0.01"),
)
TABLES = {
    "rejected": Table(
        "an image that a source refused, or that a stored silhouette's set left out",
        (
            IMAGE_SET,
            Column("image_id", "text", "", "image of the source"),
            Column("reason", "text", "", "why it was refused or left out"),
        ),
    ),
    "training_log": Table(
        "an epoch of a network that the study trained",
        (
            MODEL,
            _count("epoch", "epochs", "epoch, from 1"),
            _number("loss", "nats", "mean loss over the epoch's images, as the recipe saw them"),
            _number(
                "accuracy",
                "fraction",
                "share of those images labelled right, as the recipe saw them",
            ),
            _number(
                "validation_accuracy",
                "fraction",
                "accuracy on the clean validation images after the epoch",
            ),
            _number(
                "adversarial_accuracy",
                "fraction",
                "accuracy on up to 256 of them under the attack that is trained on; empty without",
            ),
            _number("learning_rate", "", "learning rate of the epoch's last step"),
        ),
    ),
    "training_speed": Table(
        "an epoch of a network that the study trained; beside the network, as it is never the same",
        (
            MODEL,
            _count("epoch", "epochs", "epoch, from 1"),
            _number("images_per_second", "images/s", "training images a second"),
        ),
    ),
    "accuracy": Table(
        "a network on an image set, over all its images or over a selection",
        (
            MODEL,
            IMAGE_SET,
            Column(
                "selection",
                "text",
                "",
                "`all`, or the pair whose two networks label the clean image correctly",
            ),
            _count("n", "images", "images scored"),
            _number("top1", "fraction", "share whose first class is the label"),
            _number("top5", "fraction", "share whose first five classes hold the label"),
            _number("top1_low", "fraction", "lower end of the 95 % Wilson interval of top1"),
            _number("top1_high", "fraction", "upper end of the 95 % Wilson interval of top1"),
        ),
    ),
    "correctly_labelled": Table(
        "an image of the clean set that both networks of a pair label correctly",
        (PAIR, Column("image_id", "text", "", "image of the clean set")),
    ),
    "shape_bias": Table(
        "a network on a cue-conflict set, over all classes or one shape class",
        (
            MODEL,
            IMAGE_SET,
            Column("class", "text", "", "`all`, or the entry-level class of the images' shape"),
            N_SHAPE,
            N_TEXTURE,
            _count("n_neither", "images", "conflict images that got neither class"),
            _number("shape_bias", "fraction", "n_shape / (n_shape + n_texture)"),
            _number("low", "fraction", "lower end of the 95 % Wilson interval"),
            _number("high", "fraction", "upper end of the 95 % Wilson interval"),
        ),
    ),
    "differences": Table(
        "a pair on an image set, robust less standard, over the same images",
        (
            PAIR,
            IMAGE_SET,
            Column("measure", "text", "", "`top1` accuracy or `shape_bias`"),
            Column(
                "selection",
                "text",
                "",
                "`all`, or the pair whose two networks label the clean image correctly",
            ),
            _count("n", "images", "images that both networks were scored on"),
            _number("standard", "fraction", "value of the standard network"),
            _number("robust", "fraction", "value of the robust network"),
            _number("difference", "fraction", "robust less standard"),
            _number(
                "low",
                "fraction",
                "lower end of the difference's 95 % interval: paired bootstrap over images, "
                "10,000 resamples",
            ),
            _number("high", "fraction", "upper end of that interval"),
        ),
    ),
    "kernel_tv": Table(
        "a convolution of a network; layer `all` is the mean over every kernel of the network",
        (
            MODEL,
            Column("layer", "text", "", "convolution's name in the weights file, or `all`"),
            _count("n_filters", "filters", "filters of the convolution"),
            _number(
                "mean_tv",
                "weight",
                "total variation of a kernel's map, mean over filters and input channels",
            ),
        ),
    ),
    "filter_matches": Table(
        "a filter of the standard network's first convolution, with its robust match",
        (
            PAIR,
            _count("filter", "", "filter of the standard network, from 0"),
            _count("match", "", "the robust network's filter of highest rank correlation, from 0"),
            _number("spearman", "", "Spearman rank correlation of the two kernels"),
            _number(
                "tv_difference", "weight", "standard filter's total variation less the match's"
            ),
        ),
    ),
    "activation_tv": Table(
        "a channel on an image set",
        (
            MODEL,
            LAYER,
            CHANNEL,
            IMAGE_SET,
            _number(
                "mean_tv", "activation", "total variation of the activation map, mean over images"
            ),
        ),
    ),
    "dissection": Table(
        "a channel, with the concept that it detects best",
        (MODEL, *LABEL),
    ),
    "dissection_sweep": Table(
        "a channel, with the concept that it detects best at one quantile of the sweep",
        (MODEL, _number("quantile", "fraction", "share of positions that is active"), *LABEL),
    ),
    "dissection_controls": Table(
        "a channel of a network that has learnt nothing, with the concept that it detects best",
        (
            MODEL,
            Column("control", "text", "", "`random`: weights drawn anew; `shuffled`: permuted"),
            *LABEL,
        ),
    ),
    "dissection_iou": Table(
        "a channel and a concept, also where they share no pixel",
        (
            MODEL,
            LAYER,
            CHANNEL,
            CONCEPT,
            _count("intersection", "pixels", "pixels of the channel's mask inside the concept"),
            _count("activated", "pixels", "pixels of the channel's mask in the images counted"),
            _count("truth", "pixels", "pixels of the concept"),
            _number("iou", "fraction", "intersection / (activated + truth - intersection)"),
        ),
    ),
    "top_images": Table(
        "a channel and one of the images in which its highest activation is largest",
        (
            MODEL,
            LAYER,
            CHANNEL,
            _count("rank", "", "place among the channel's images, from 1; an image has one"),
            Column("image_id", "text", "", "image of the concept set"),
            _number("activation", "activation", "channel's highest activation in the image"),
            _count("row", "", "where in the channel's map that is, from 0; the first of equals"),
            _count("column", "", "where in the channel's map that is, from 0"),
            _count("top", "pixels", "first row of the image that this place sees, from 0"),
            _count("left", "pixels", "first column of the image that this place sees, from 0"),
            _count("height", "pixels", "rows that it sees at most: its receptive field"),
            _count("width", "pixels", "columns that it sees; part may lie outside the image"),
        ),
    ),
    "detectors": Table(
        "a layer and a category, at one cut of the IoU; each channel counts once, by its label",
        (
            MODEL,
            LAYER_OR_ALL,
            CATEGORY,
            _number("iou_cut", "fraction", f"least IoU of a channel that counts; {AT_ZERO}"),
            _count("n_channels", "channels", "channels whose label is of the category"),
            _count("n_concepts", "concepts", "different concepts among those labels"),
        ),
    ),
    "detectors_by_vote": Table(
        "a layer and a category, at one cut of the IoU; each channel votes once in every category",
        (
            MODEL,
            LAYER_OR_ALL,
            CATEGORY,
            _number("iou_cut", "fraction", f"least IoU of a vote that counts; {AT_ZERO}"),
            _count("n_channels", "channels", "channels whose best concept of the category counts"),
            _count("n_concepts", "concepts", "different concepts among those"),
        ),
    ),
    "ablation": Table(
        "a channel that was silenced",
        (
            MODEL,
            LAYER,
            CHANNEL,
            N_SHAPE,
            N_TEXTURE,
            SHAPE_SCORE,
            TEXTURE_SCORE,
            SHAPE_CHANGE,
            TEXTURE_CHANGE,
        ),
    ),
    "ablation_flips": Table(
        "an image whose shape or texture label changed when a channel was silenced",
        (
            MODEL,
            LAYER,
            CHANNEL,
            Column("image_id", "text", "", "image of the conflict set"),
            Column("before", "text", "", "class given by the intact network"),
            Column("after", "text", "", "class given without the channel"),
            _number("before_intact", "probability", f"class `before`, intact network{ROUNDED}"),
            _number("before_silenced", "probability", f"class `before`, no channel{ROUNDED}"),
            _number("after_intact", "probability", f"class `after`, intact network{ROUNDED}"),
            _number("after_silenced", "probability", f"class `after`, no channel{ROUNDED}"),
        ),
    ),
    "ablation_by_concept": Table(
        "a network without the channels that detect a concept or a category, or with them alone",
        (
            MODEL,
            LAYER_OR_ALL,
            Column("category", "text", "", "category of the concept that the channels detect"),
            Column("concept", "text", "", "that concept; `all` is every one of the category"),
            Column(
                "mode",
                "text",
                "",
                "`zero`: these channels are zero; `keep_only`: all others of their layers are",
            ),
            _count(
                "n_channels", "channels", "channels that detect it, from the study's `iou_cut` on"
            ),
            N_SHAPE,
            N_TEXTURE,
            SHAPE_SCORE,
            TEXTURE_SCORE,
            SHAPE_CHANGE,
            TEXTURE_CHANGE,
            _count("n_clean", "images", "clean images scored"),
            _number("accuracy_before", "fraction", "top-1 on them, intact network"),
            _number("accuracy_after", "fraction", "top-1 on them, with channels silent"),
            _count(
                "n_draws",
                "draws",
                "times that as many random channels of each layer were silenced; 0 for `keep_only`",
            ),
            *_by_chance("random_shape_score", "images", "Shape score"),
            *_by_chance("random_texture_score", "images", "Texture score"),
            *_by_chance("random_accuracy", "fraction", "accuracy_after"),
        ),
    ),
    "ablation_by_category": Table(
        "a network's channels whose label is of one category, or all its channels",
        (
            MODEL,
            Column(
                "category",
                "text",
                "",
                "category of the channels' labels; `all` is every channel, also those that meet "
                "no concept",
            ),
            _count("n_channels", "channels", "channels with a label of the category"),
            N_SHAPE,
            N_TEXTURE,
            _number("mean_shape_score", "images", "mean Shape score of those channels"),
            _number("mean_texture_score", "images", "mean Texture score of those channels"),
            *_shares("shape"),
            *_shares("texture"),
        ),
    ),
    "findings": Table(
        "an answer to a question of the report: a pair, or a network in no pair, in one measure",
        (
            Column("question", "text", "", "short name of the question"),
            Column("text", "text", "", "the question"),
            Column("pair", "text", "", f"{PAIR.description}; empty for a single network"),
            Column("model", "text", "", "network that is described alone; empty for a pair"),
            Column("image_set", "text", "", "image set; empty if the measure needs none"),
            Column("measure", "text", "", "what is compared or described"),
            _number(
                "baseline",
                "unit",
                "value of the standard network, or of a network with random or shuffled weights",
            ),
            _number("value", "unit", "value of the robust network, or of the single network"),
            _number("difference", "unit", "value less baseline; their ratio for the unit `ratio`"),
            _number(
                "low", "unit", "lower end of the 95 % interval of difference, or of value alone"
            ),
            _number("high", "unit", "upper end of that interval"),
            Column(
                "unit",
                "text",
                "",
                "unit of these five; with `points`, shares are in % and differences in "
                "percentage points",
            ),
            _count("n", "", "images, filters, channels or convolutions that value is over"),
            _number("chance_baseline", "unit", "baseline with random or shuffled weights, highest"),
            _number("chance", "unit", "value with random or shuffled weights, highest"),
            Column(
                "verdict",
                "text",
                "",
                "`yes`, `no` (the opposite holds), `unclear` (no difference is shown), "
                "`described`, `no pair` or `not measured`",
            ),
        ),
    ),
}


def documentation() -> str:
    """Markdown page on every public table."""
    lines = ["# Tables", "", "Each is `results/<study>/tables/<name>.parquet`, with a `.csv` twin."]
    lines += ["Those of many rows (`dissection_iou`, `top_images`, `ablation_flips`) are folders"]
    lines += ["with one Parquet file a network."]
    for name, table in TABLES.items():
        lines += ["", f"## {name}", "", f"One row: {table.row}.", ""]
        lines += ["| column | type | unit | what it holds |", "|---|---|---|---|"]
        lines += [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in table.columns]
    return "\n".join(lines) + "\n"
