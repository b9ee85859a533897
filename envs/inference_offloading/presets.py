"""Presets: applications of edge inference with their devices, links and demands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JPEG = 8.0
"""Pixels of 24 bits as JPEG take about 3 (assumed)."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "camera": {
        "seconds": 60.0,
        "users": [
            {
                "count": 4,
                "device": "raspberry_pi_4",
                "application": {
                    "models": ["resnet18", "mobilenet_v2", "mobilenet_v2_160", "resnet50"],
                    "arrivals": {"kind": "periodic", "rate": 5.0, "jitter": 0.1},
                    "deadline_s": 0.2,
                    "min_accuracy": 0.65,
                    "compression": JPEG,
                },
            }
        ],
        "access": {"kind": "card", "card": "lte_walking"},
        "servers": [{"card": "jetson_tx2_nx_gpu", "largest_batch": 1}],
        "plans": {"formats": ["float32", "int8"], "reuse": {"scenes": 4}, "change_detection": {}},
        "reward": {"latency": 1.0, "miss": 1.0, "energy": 0.02, "accuracy": 2.0},
    },
    "voice": {
        "seconds": 120.0,
        "users": [
            {
                "count": 8,
                "device": "raspberry_pi_zero_2",
                "application": {
                    "models": ["bert_mini"],
                    "arrivals": {"kind": "onoff", "rate": 0.5, "users": 1, "session_s": 10.0, "pause_s": 30.0},
                    "deadline_s": 0.15,
                    "private_share": 0.3,
                    "private_hides": "features",
                },
            }
        ],
        "access": {"kind": "card", "card": "lte_driving"},
        "servers": [{"card": "core_i7_12700h"}],
        "cloud": None,
        "plans": {"noise": True},
        "reward": {"latency": 1.0, "miss": 1.0, "accuracy": 2.0},
    },
    "iot": {
        "seconds": 300.0,
        "users": [
            {
                "count": 16,
                "device": "raspberry_pi_zero_2",
                "application": {
                    "models": ["mobilenet_v2_128", "mobilenet_v2_160", "mobilenet_v2", "resnet18"],
                    "arrivals": {"kind": "mmpp", "rate": 0.5, "burst_ratio": 10.0, "calm_s": 30.0, "burst_s": 5.0},
                    "deadline_s": 1.0,
                    "compression": JPEG,
                },
            }
        ],
        "access": {"kind": "card", "card": "hsdpa_3g", "up_share": 1.0},
        "servers": [{"card": "raspberry_pi_4"}],
        "reward": {"latency": 1.0, "miss": 1.0, "accuracy": 2.0, "megabyte": 1.0},
    },
    "ar": {
        "seconds": 30.0,
        "users": [
            {
                "count": 4,
                "device": "snapdragon_835",
                "application": {
                    "models": ["ssd_mobilenet_v1", "yolov3_tiny"],
                    "arrivals": {"kind": "periodic", "rate": 15.0},
                    "deadline_s": 0.05,
                    "compression": JPEG,
                },
            }
        ],
        "access": {"kind": "card", "card": "5g_walking"},
        "servers": [{"card": "jetson_agx_orin_gpu", "largest_batch": 1}],
        "cloud": None,
        "reward": {"latency": 1.0, "miss": 0.5, "accuracy": 1.0},
    },
    "phone_5g": {
        "seconds": 100.0,
        "users": [
            {
                "count": 1,
                "device": "snapdragon_765g",
                "application": {"models": ["resnet50"], "arrivals": {"kind": "poisson", "rate": 2.0}},
            }
        ],
        "access": {
            "kind": "trace",
            "path": "$EDGEGYM_DATA/network/lumos5g/traces.csv.gz",
            "prefix": "5G_",
            "card": "5g_driving",
            "optional": True,
        },
        "servers": [{"card": "jetson_agx_orin_gpu"}],
        "cloud": None,
    },
    "shared_server": {
        "seconds": 60.0,
        "users": [
            {
                "count": 12,
                "device": "raspberry_pi_4",
                "application": {
                    "models": ["resnet50"],
                    "arrivals": {"kind": "poisson", "rate": 2.2},
                    "deadline_s": 0.4,
                },
            }
        ],
        "access": {"kind": "card", "card": "5g_walking"},
        "servers": [{"card": "jetson_tx2_nx_gpu"}],
        "cloud": None,
    },
}
"""``camera``: frames of cameras beside a road, with deadline, accuracy and reuse between neighbours. ``voice``: spoken
commands, some of them private. ``iot``: sensors that watch a network for intrusions. ``ar``: frames of headsets within
a motion-to-photon budget. ``phone_5g``: one phone on a fast, moving 5G link, judged by latency alone:
measured where ``EDGEGYM_DATA`` is set, else drawn from the card. ``shared_server``: users who slow each other down."""
