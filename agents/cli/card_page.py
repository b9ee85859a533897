"""A device card as people read it."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Column, Table

from edgegym.cards import DeviceCard, LatencyModel, PredictionError
from edgegym.cards.latency import term

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def card_page(card: DeviceCard) -> list[Table]:
    """Tables to print: what it is, how well it predicts, its parameters."""
    parts = [_facts(card), _errors(card), _parameters(card.latency, f"Latency: form {card.latency.form}")]
    if card.layer_latency is not None and card.layer_latency != card.latency:
        parts.append(_parameters(card.layer_latency, f"Single layers: form {card.layer_latency.form}"))
    return parts


def with_prefix(value: float | None, unit: str) -> str:
    """A figure with an SI prefix: ``44 TMAC/s``, ``0.26 ms``."""
    if value is None:
        return "not seen"
    if unit.startswith("1/"):
        return f"{value:.3g} {unit}"
    scale, prefix = next(((s, p) for s, p in PREFIXES if value >= s), PREFIXES[-1])
    return f"{value / scale:.3g} {prefix}{unit}"


def _facts(card: DeviceCard) -> Table:
    table = Table(title=escape(card.name), title_justify="left", show_header=False)
    threads = f", {card.threads} threads" if card.threads else ""
    table.add_row("device", escape(f"{card.device}; {card.runtime}, {card.dtype}{threads}"))
    table.add_row(
        "measured", f"{card.rows} rows of {card.families} families, batch {card.batches[0]:g} to {card.batches[1]:g}"
    )
    network, run = f"{card.sigma:.3g}", "not measured" if card.run_sigma is None else f"{card.run_sigma:.3g}"
    table.add_row("spread of log time", f"{network} over networks, {run} from call to call")
    power = card.power
    if power is None:
        table.add_row("power", "not known")
    else:
        idle = "" if power.idle_w is None else f"{power.idle_w:g} W idle, "
        table.add_row("power", escape(f"{idle}{power.active_w:g} W active ({power.source})"))
    memory = card.memory
    if memory is None:
        table.add_row("memory", "not known")
    else:
        size = "" if memory.capacity_bytes is None else f", {memory.capacity_bytes:.3g} bytes in all"
        per = f"{memory.bytes_per_param:g} bytes a weight, {memory.bytes_per_element:g} a live activation"
        table.add_row("memory", f"{memory.base_bytes:.3g} bytes + {per}{size}")
    sharing = f"time x (1 + {card.co_runners.per_co_runner:g} x others) ({card.co_runners.source})"
    table.add_row("co-runners", escape(sharing))
    origin = card.provenance
    for name in ("source", "url", "licence", "rule", "date", "notes"):
        if getattr(origin, name):
            table.add_row(name, escape(getattr(origin, name)))
    for reason in origin.assumed.values():
        table.add_row("assumed", escape(reason))
    return table


def _errors(card: DeviceCard) -> Table:
    table = Table(
        "prediction", "mean error", "median", "rank corr.", "within 10 %", title="Errors", title_justify="left"
    )
    rows: list[tuple[str, PredictionError | None]] = [
        ("new family", card.held_out),
        ("known family", card.held_out_known_family),
        ("batch between", card.held_out_batch),
        ("single layer", card.held_out_layer),
        *((f"baseline {name}", error) for name, error in card.baselines.items()),
    ]
    for name, error in rows:
        if error is not None:
            rank = "" if error.spearman is None else f"{error.spearman:.3f}"
            table.add_row(name, f"{error.mape:.1%}", f"{error.median_ape:.1%}", rank, f"{error.within_10:.0%}")
    return table


def _parameters(model: LatencyModel, title: str) -> Table:
    table = Table(Column("parameter", overflow="fold"), "value", "90 % interval", "", title=title, title_justify="left")
    for name, parameter in model.parameters.items():
        unit = term(name).unit
        ends = [with_prefix(end, unit) if end else "open" for end in (parameter.low, parameter.high)]
        table.add_row(
            term(name).parameter,
            with_prefix(parameter.value, unit),
            "" if parameter.value is None else " to ".join(ends),
            "" if parameter.identified else "not identified",
        )
    return table
