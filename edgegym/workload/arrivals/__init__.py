"""When requests arrive: one stream as settings, drawn from a process or read from a trace.

:func:`draw_arrivals` and :func:`draw_count` take any :data:`ArrivalSettings` and a random generator. Every kind has a
``rate``, its mean arrivals per second, so that kinds differ in nothing but their burstiness.
"""

from edgegym.workload.arrivals.drawing import draw_arrivals, draw_count
from edgegym.workload.arrivals.settings import (
    ArrivalSettings,
    ArrivalTraceSettings,
    DiurnalSettings,
    GammaSettings,
    MmppSettings,
    OnOffSettings,
    PeriodicSettings,
    PoissonSettings,
)
from edgegym.workload.arrivals.stream import Arrivals

__all__ = [
    "ArrivalSettings",
    "ArrivalTraceSettings",
    "Arrivals",
    "DiurnalSettings",
    "GammaSettings",
    "MmppSettings",
    "OnOffSettings",
    "PeriodicSettings",
    "PoissonSettings",
    "draw_arrivals",
    "draw_count",
]
