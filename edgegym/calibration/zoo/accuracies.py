"""Published accuracies of the zoo's networks and of their int8, width and early-exit variants: facts with sources.

Nothing here was measured by this project. A network without a row has no figure that could be checked.
"""

from __future__ import annotations

from dataclasses import dataclass

TORCHVISION = "torchvision, documentation of the pretrained weights IMAGENET1K_V1 (quantized: FBGEMM or QNNPACK V1)"
TF_MOBILENET = "tensorflow/models, research/slim/nets/mobilenet/README.md, MobileNet V2 checkpoints"
MLPERF_INFERENCE = "mlcommons/inference, vision/classification_and_detection/README.md, supported models"
MLPERF_TINY = "mlcommons/tiny, keyword spotting reference model (Banbury et al., MLPerf Tiny, 2021)"
ARM_ZOO = "ARM-software/ML-zoo, models/keyword_spotting/ds_cnn_small/tflite_int8/README.md"
HELLO_EDGE = "Zhang et al., Hello Edge, arXiv:1711.07128, networks for the small memory limit"
DARKNET = "Redmon, Darknet site, YOLOv3-tiny on COCO test-dev"
BERT_SMALL = "google-research/bert, README.md, GLUE test scores of the smaller models"
BRANCHYNET = "Teerapittayanon et al., BranchyNet, ICPR 2016, arXiv:1709.01686, table I"


@dataclass(frozen=True)
class Accuracy:
    """One published figure.

    Attributes:
        model: name in the zoo.
        variant: number format, width, input size or exit that the figure is for.
        metric: what was measured: ``top1``, ``map`` (COCO mean average precision), ``map50`` (at overlap 0.5),
            ``glue`` (mean score), ``exit_share`` (samples that leave at the exit).
        value: as a fraction.
        source: where it was published.
    """

    model: str
    variant: str
    metric: str
    value: float
    source: str


ACCURACIES: tuple[Accuracy, ...] = (
    Accuracy("alexnet", "float32", "top1", 0.56522, TORCHVISION),
    Accuracy("vgg16", "float32", "top1", 0.71592, TORCHVISION),
    Accuracy("squeezenet1_1", "float32", "top1", 0.58178, TORCHVISION),
    Accuracy("resnet18", "float32", "top1", 0.69758, TORCHVISION),
    Accuracy("resnet18", "int8", "top1", 0.69494, TORCHVISION),
    Accuracy("resnet50", "float32", "top1", 0.76130, TORCHVISION),
    Accuracy("resnet50", "int8", "top1", 0.75920, TORCHVISION),
    Accuracy("mobilenet_v2", "float32", "top1", 0.71878, TORCHVISION),
    Accuracy("mobilenet_v2", "int8", "top1", 0.71658, TORCHVISION),
    Accuracy("efficientnet_b0", "float32", "top1", 0.77692, TORCHVISION),
    Accuracy("mobilenet_v2", "width 1.0", "top1", 0.718, TF_MOBILENET),
    Accuracy("mobilenet_v2", "width 0.75", "top1", 0.698, TF_MOBILENET),
    Accuracy("mobilenet_v2", "width 0.5", "top1", 0.654, TF_MOBILENET),
    Accuracy("mobilenet_v2", "width 0.35", "top1", 0.603, TF_MOBILENET),
    Accuracy("mobilenet_v2", "input 192", "top1", 0.707, TF_MOBILENET),
    Accuracy("mobilenet_v2", "input 160", "top1", 0.688, TF_MOBILENET),
    Accuracy("mobilenet_v2", "input 128", "top1", 0.653, TF_MOBILENET),
    Accuracy("mobilenet_v2_050", "float32", "top1", 0.654, TF_MOBILENET),
    Accuracy("ssd_mobilenet_v1", "float32", "map", 0.23, MLPERF_INFERENCE),
    Accuracy("ssd_mobilenet_v1", "int8", "map", 0.23594, MLPERF_INFERENCE),
    Accuracy("ssd_mobilenet_v1", "int8 symmetric", "map", 0.234, MLPERF_INFERENCE),
    Accuracy("yolov3_tiny", "float32", "map50", 0.331, DARKNET),
    Accuracy("ds_cnn", "float32", "top1", 0.922, MLPERF_TINY),
    Accuracy("ds_cnn", "int8", "top1", 0.916, MLPERF_TINY),
    Accuracy("ds_cnn", "int8, training of Arm", "top1", 0.9335, ARM_ZOO),
    Accuracy("lstm_kws", "int8", "top1", 0.920, HELLO_EDGE),
    Accuracy("bert_mini", "float32", "glue", 0.658, BERT_SMALL),
    Accuracy("branchy_alexnet", "without exits", "top1", 0.7838, BRANCHYNET),
    Accuracy("branchy_alexnet", "entropy below 0.0001, 0.05", "top1", 0.7919, BRANCHYNET),
    Accuracy("branchy_alexnet", "exit 1", "exit_share", 0.656, BRANCHYNET),
    Accuracy("branchy_alexnet", "exit 2", "exit_share", 0.252, BRANCHYNET),
    Accuracy("branchy_alexnet", "exit 3", "exit_share", 0.092, BRANCHYNET),
    Accuracy("branchy_resnet110", "without exits", "top1", 0.8070, BRANCHYNET),
    Accuracy("branchy_resnet110", "entropy below 0.3, 0.2", "top1", 0.7917, BRANCHYNET),
    Accuracy("branchy_resnet110", "exit 1", "exit_share", 0.415, BRANCHYNET),
    Accuracy("branchy_resnet110", "exit 2", "exit_share", 0.138, BRANCHYNET),
    Accuracy("branchy_resnet110", "exit 3", "exit_share", 0.447, BRANCHYNET),
)


def accuracies_of(model: str) -> tuple[Accuracy, ...]:
    """The published figures of a network; empty if none is known."""
    return tuple(entry for entry in ACCURACIES if entry.model == model)


def exit_shares(model: str) -> tuple[float, ...]:
    """Share of the samples that leave at each exit, the earliest first; empty for a network without exits."""
    return tuple(entry.value for entry in accuracies_of(model) if entry.metric == "exit_share")
