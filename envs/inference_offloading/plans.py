"""Execution plans of a group of users, counted from cards: where a network runs, how it is parted, what is sent.

Times are those of the cards: a part takes what its device card predicts for the counted work between two cut points of
the model card, times what the card knows of the network's kind. All plans of a kind come from one function here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import DeviceCard, LinkCard, ModelCard, Work, load_card
from edgegym.envs.inference_offloading.params import InferenceOffloadingParams, UserGroupSettings
from edgegym.partition.secure import SECURE_INFERENCE

Array = NDArray[np.float64]
BITS = 8.0
FLOAT_BITS = 32


@dataclass(frozen=True)
class Plan:
    """One way to run a task; the fields that :data:`~edgegym.envs.inference_offloading.state.PLAN` names are there.

    Attributes:
        label: for people.
        part: what runs on the server, as (model, format, first point, last point): equal parts share a batch.
        sends_raw: the raw input leaves the device.
        sends_features: numbers from inside the network leave the device.
    """

    label: str
    device_s: float
    device_j: float
    device_sigma: float
    accuracy: float
    leave_share: float = 0.0
    leave_s: float = 0.0
    leave_j: float = 0.0
    workers: int = 1
    exchange_s: float = 0.0
    up_bytes: float = 0.0
    rounds: float = 1.0
    protocol_s: float = 0.0
    server: int = -1
    part: tuple[str, str, int, int] = ("", "", 0, 0)
    first_s: float = 0.0
    each_s: float = 0.0
    server_sigma: float = 0.0
    cloud: bool = False
    backbone_s: float = 0.0
    cloud_s: float = 0.0
    cloud_sigma: float = 0.0
    reuse: bool = False
    answers: bool = False
    noisy: bool = False
    secure: bool = False
    sends_raw: bool = False
    sends_features: bool = False


@dataclass(frozen=True)
class Machine:
    """A device card with what it takes for the parts of networks."""

    card: DeviceCard
    int8_time: float

    def seconds(self, model: ModelCard, start: int, stop: int, number_format: str, batch: int = 1) -> float:
        """Median time of the part between two points; an empty part takes none."""
        return self.work_seconds(model, model.work(start, stop), number_format, batch) if start < stop else 0.0

    def work_seconds(self, model: ModelCard, work: Work, number_format: str, batch: int = 1) -> float:
        """Median time of counted work of a network; of no fewer samples than the card was measured with."""
        batch = max(batch, int(self.card.batches[0]))
        known = float(self.card.known.factor(model.model, model.macs))
        scale = self.int8_time if number_format == "int8" and self.card.dtype != "int8" else 1.0
        return scale * known * float(self.card.latency_s(work, batch))

    @property
    def watts(self) -> float:
        """Power while computing; 0 where the card does not know it."""
        return 0.0 if self.card.power is None else self.card.power.active_w

    @property
    def sigma(self) -> float:
        """Spread of the log time from call to call; 0 where it was not measured."""
        return self.card.run_sigma or 0.0


@dataclass(frozen=True)
class Maker:
    """Makes the plans of one group of users.

    Args:
        params: the whole system.
        group: the users.
    """

    params: InferenceOffloadingParams
    group: UserGroupSettings
    device: Machine = field(init=False)
    servers: tuple[Machine, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", self._machine(self.group.device))
        object.__setattr__(self, "servers", tuple(self._machine(server.card) for server in self.params.servers))

    @cached_property
    def cloud(self) -> tuple[Machine, LinkCard] | None:
        """Machine and link of the cloud, if there is one."""
        settings = self.params.cloud
        return None if settings is None else (self._machine(settings.card), load_card(settings.link, "link"))

    def _machine(self, card: str) -> Machine:
        return Machine(load_card(card, "device"), self.params.plans.int8_time)

    def plans(self) -> list[Plan]:
        """All plans, the fallback first; none is left out for being bad."""
        found: list[Plan] = []
        wanted = self.params.plans
        for name in self.group.application.models:
            model = load_card(name, "model")
            for number_format in wanted.formats:
                if number_format in model.accuracy or (number_format == "float32" and not model.accuracy):
                    found += self.of_model(model, number_format)
        return found

    def of_model(self, model: ModelCard, number_format: str) -> Iterator[Plan]:
        """All plans of one network in one number format."""
        for plan in self.on_device(model, number_format):
            yield from self._with_change_detection(plan)
        if number_format == "float32":
            yield from self.with_peers(model)
            yield from self.securely(model)
        for plan in self.cut(model, number_format):
            yield from self._with_change_detection(plan)
            if plan.answers and plan.sends_raw and not plan.cloud:
                yield replace(plan, label=f"{plan.label}, reuse", reuse=True)
            if self.params.plans.noise and plan.sends_features:
                loss = self.params.plans.noise_loss
                yield replace(plan, label=f"{plan.label}, noise", noisy=True, accuracy=max(plan.accuracy - loss, 0.0))

    def _with_change_detection(self, plan: Plan) -> Iterator[Plan]:
        """The plan, and where it works on raw input once more behind a comparison with the last input."""
        yield plan
        settings = self.params.plans.change_detection
        if settings is None or plan.sends_features or plan.leave_share > 0.0:
            return
        seconds, share = settings.detection_s, settings.unchanged_share
        yield replace(
            plan,
            label=f"{plan.label}, if changed",
            device_s=plan.device_s + seconds,
            device_j=(plan.device_s + seconds) * self.device.watts,
            leave_share=share,
            leave_s=seconds,
            leave_j=seconds * self.device.watts,
            accuracy=plan.accuracy * (1.0 - share * (1.0 - settings.accuracy_share)),
        )

    def on_device(self, model: ModelCard, number_format: str) -> Iterator[Plan]:
        """The whole network on the device; with early exits a second time."""
        last = len(model.points) - 1
        seconds = self.device.seconds(model, 0, last, number_format)
        yield self._plan(model, number_format, f"{_name(model, number_format)} on device", seconds)
        if self.params.plans.exits and model.exits and number_format == "float32":
            times = [
                self.device.work_seconds(model, model.exit_work(e), "float32") for e in range(len(model.exits) + 1)
            ]
            later = np.array(model.exit_shares[1:])
            rest = float(later @ np.array(times[1:]) / later.sum())
            plan = self._plan(model, number_format, f"{model.name} on device, exits", rest)
            yield self._leaving(plan, model, times[0])

    def with_peers(self, model: ModelCard) -> Iterator[Plan]:
        """Rows of the first layers, as far as they are a chain, shared out over the device and 1, 2, ... helpers.

        Networks with less than half of their work in that chain get no such plan. Halos are counted on the network's
        graph, which takes torch; nothing else here does.
        """
        peers = self.params.plans.peers
        if peers is None:
            return
        from edgegym.calibration.zoo.registry import ZOO, graph_of
        from edgegym.partition.rows import split_rows
        from edgegym.partition.spatial import spatial_chain

        is_image = len(model.input_shape) == 3 and model.name in ZOO
        layers = spatial_chain(graph_of(model.name)) if is_image else ()
        if sum(layer.macs for layer in layers) < 0.5 * model.macs:
            return
        known = float(self.device.card.known.factor(model.model, model.macs))
        chain = known * float(split_rows(layers, [1.0]).compute_s(self.device.card).sum())
        rest = max(self.device.seconds(model, 0, len(model.points) - 1, "float32") - chain, 0.0)
        for workers in range(2, peers.helpers + 2):
            split = split_rows(layers, [1.0] * workers)
            slowest = known * float(split.compute_s(self.device.card).max(axis=1).sum())
            sending = BITS * split.sent_bytes(1.0).sum() / peers.rate_bps + peers.rtt_s * split.messages().sum()
            plan = self._plan(model, "float32", f"{model.name} on {workers} devices", workers * slowest)
            yield replace(plan, workers=workers, exchange_s=float(sending) + rest, device_j=workers * plan.device_j)

    def securely(self, model: ModelCard) -> Iterator[Plan]:
        """Two-party inference with each edge server, for networks with published seconds and bytes."""
        for published in SECURE_INFERENCE if self.params.plans.secure else ():
            if model.name.startswith(published.network.lower()):
                for server in range(len(self.servers)):
                    plan = self._plan(model, "float32", f"{model.name}, {published.protocol} with edge {server}", 0.0)
                    yield replace(
                        plan, secure=True, up_bytes=published.sent_bytes, protocol_s=published.seconds, server=server
                    )

    def cut(self, model: ModelCard, number_format: str) -> Iterator[Plan]:
        """The network cut behind each point, the rest on each edge server, in the cloud, or on both."""
        wanted, last = self.params.plans, len(model.points) - 1
        for point in range(last) if wanted.cuts else (0,):
            for bits in wanted.feature_bits if point else (32,):
                for before in self._before(model, number_format, point, bits):
                    for server in range(len(self.servers)):
                        if wanted.edge or point > 0:
                            yield self._served(before, model, number_format, point, last, server)
                        for second in range(point + 1, last) if wanted.tiers and self.cloud else ():
                            edge = self._served(before, model, number_format, point, second, server)
                            yield self._clouded(edge, model, number_format, second, bits)
                    if self.cloud and (wanted.cloud or point > 0):
                        yield self._clouded(before, model, number_format, point, bits)

    def _before(self, model: ModelCard, number_format: str, point: int, bits: int) -> Iterator[Plan]:
        """What a cut plan does on the device, and what it sends."""
        if number_format == "int8":
            bits = min(bits, 8)
        sent = float(model.cut_bytes(point, bits))
        if point == 0:
            sent /= self.group.application.compression
        seconds = self.device.seconds(model, 0, point, number_format)
        label = f"{_name(model, number_format)} {model.points[point].name} {bits} bits" if point else model.name
        plan = self._plan(model, number_format, label, seconds)
        loss = 0.0 if number_format == "int8" or point == 0 or bits == FLOAT_BITS else self._feature_loss(model, bits)
        plan = replace(
            plan, up_bytes=sent, sends_raw=point == 0, sends_features=point > 0, accuracy=max(plan.accuracy - loss, 0.0)
        )
        yield plan
        if self.params.plans.exits and model.exits and number_format == "float32" and point >= model.exits[0].point:
            tried = model.work(0, point) + model.branch_work(0)
            plan = replace(plan, label=f"{label}, exit", device_s=self.device.work_seconds(model, tried, "float32"))
            plan = replace(plan, device_j=plan.device_s * self.device.watts)
            yield self._leaving(plan, model, self.device.work_seconds(model, model.exit_work(0), "float32"))

    def _feature_loss(self, model: ModelCard, bits: int) -> float:
        return model.feature_loss_of(bits) if bits in model.feature_loss else self.params.plans.feature_loss[bits]

    def _plan(self, model: ModelCard, number_format: str, label: str, seconds: float) -> Plan:
        accuracy = model.accuracy_of(number_format) if model.accuracy else 1.0
        return Plan(label, seconds, seconds * self.device.watts, self.device.sigma, accuracy)

    def _leaving(self, plan: Plan, model: ModelCard, seconds: float) -> Plan:
        """The plan with the first early exit on the device."""
        accuracy = plan.accuracy if model.exit_accuracy is None else model.exit_accuracy.value
        return replace(
            plan,
            accuracy=accuracy,
            leave_share=model.exits[0].share,
            leave_s=seconds,
            leave_j=seconds * self.device.watts,
        )

    def _served(self, plan: Plan, model: ModelCard, number_format: str, start: int, stop: int, server: int) -> Plan:
        """The plan with a part of the network on an edge server."""
        machine, batch = self.servers[server], self.params.servers[server].largest_batch
        first = machine.seconds(model, start, stop, number_format)
        full = machine.seconds(model, start, stop, number_format, batch)
        return replace(
            plan,
            label=f"{plan.label} > edge {server}",
            server=server,
            part=(model.name, number_format, start, stop),
            first_s=first,
            each_s=max(full - first, 0.0) / (batch - 1) if batch > 1 else first,
            server_sigma=machine.sigma,
            answers=stop == len(model.points) - 1 and self.params.plans.reuse is not None,
        )

    def _clouded(self, plan: Plan, model: ModelCard, number_format: str, start: int, bits: int) -> Plan:
        """The plan with the rest of the network in the cloud."""
        assert self.cloud is not None
        machine, link = self.cloud
        sent = plan.up_bytes if plan.server < 0 else float(model.cut_bytes(start, bits))
        return replace(
            plan,
            label=f"{plan.label} > cloud",
            cloud=True,
            backbone_s=link.rtt_s + BITS * (sent + model.output_bytes) / link.rate_bps,
            cloud_s=machine.seconds(model, start, len(model.points) - 1, number_format),
            cloud_sigma=machine.sigma,
        )


def _name(model: ModelCard, number_format: str) -> str:
    return model.name if number_format == "float32" else f"{model.name} {number_format}"
