"""From settings and cards to the tables that all rows share: groups, plans with their fixed columns, servers, rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import LinkCard, load_card
from edgegym.envs.inference_offloading.columns import SQUASH_S, STATIC_FEATURES
from edgegym.envs.inference_offloading.params import ApplicationSettings, InferenceOffloadingParams, UserGroupSettings
from edgegym.envs.inference_offloading.plans import BITS, Maker, Plan
from edgegym.envs.inference_offloading.pruning import counts, most_useful, scenario_costs, undominated
from edgegym.envs.inference_offloading.state import GROUP, PLAN, RULES, SERVER
from edgegym.errors import SettingsError
from edgegym.workload.arrivals import ArrivalTraceSettings

Table = NDArray[Any]
COMPUTED = ("job", "public", "private", "exists")
"""Fields of a plan that are not its own but come from its place in the table."""


class Tables(NamedTuple):
    """What all rows share; see :class:`~edgegym.envs.inference_offloading.state.State`.

    Attributes:
        rules: (1,) RULES.
        groups: (groups,) GROUP.
        plans: (groups, candidates) PLAN.
        static: (groups, candidates, static columns) float32.
        servers: (servers,) SERVER.
        group_of: (users,) int64.
        labels: for each group the names of its plans.
    """

    rules: Table
    groups: Table
    plans: Table
    static: NDArray[np.float32]
    servers: Table
    group_of: NDArray[np.int64]
    labels: tuple[tuple[str, ...], ...]


def compile_tables(params: InferenceOffloadingParams, card: LinkCard, fastest_bps: float) -> Tables:
    """Count all plans and keep the candidates.

    Args:
        params: the settings.
        card: of the access link.
        fastest_bps: highest uplink rate that can occur.

    Raises:
        EdgeGymError: for an unknown card, or energy that counts where a card does not know the power.
    """
    offered = [_offered(params, group, card, fastest_bps) for group in params.users]
    longest = max(len(plans) for plans in offered)
    width = len(STATIC_FEATURES)
    plans = np.zeros((len(offered), longest), PLAN)
    plans["server"], static = -1, np.zeros((len(offered), longest, width), np.float32)
    groups = np.zeros(len(offered), GROUP)
    servers = _servers(params)
    jobs: dict[tuple[int, tuple[str, str, int, int]], int] = {}
    for g, (group, found) in enumerate(zip(params.users, offered, strict=True)):
        _check_power(params, group)
        groups[g] = _group(params, group, card)
        for k, plan in enumerate(found):
            job = jobs.setdefault((plan.server, plan.part), len(jobs))
            least_s = quickest(plan, card, fastest_bps, servers)
            plans[g, k] = _row(plan, job, open_to(plan, group.application, least_s))
            static[g, k] = _static(plan)
        groups[g]["hopeless_public"] = not plans[g]["public"].any()
        groups[g]["hopeless_private"] = not plans[g]["private"].any()
    group_of = np.repeat(np.arange(len(offered)), [group.count for group in params.users])
    labels = tuple(tuple(plan.label for plan in found) for found in offered)
    return Tables(_rules(params), groups, plans, static, servers, group_of, labels)


def _offered(
    params: InferenceOffloadingParams, group: UserGroupSettings, card: LinkCard, fastest_bps: float
) -> list[Plan]:
    """The candidates of a group: undominated ones, the most useful if there are too many; the fallback first."""
    plans = Maker(params, group).plans()
    keep = undominated(counts(plans, len(params.servers)))
    found = [plans[k] for k in (0, *keep[keep != 0])]
    deadline = group.application.deadline_s or np.inf
    servers = _servers(params)
    access = [open_to(plan, group.application, quickest(plan, card, fastest_bps, servers)) for plan in found]
    costs = scenario_costs(found, params.reward, deadline, card.rtt_s)
    chosen = most_useful(costs, list(np.array(access).T), 0, params.candidates)
    if params.plans.spare:
        chosen += [k for k in range(len(found)) if k not in chosen][: params.candidates - len(chosen)]
    return [found[k] for k in sorted(chosen)]


def open_to(plan: Plan, application: ApplicationSettings, quickest_s: float) -> tuple[bool, bool]:
    """Whether public and private tasks may take a plan: it is accurate and quick enough, and hides what it must."""
    good = plan.accuracy >= application.min_accuracy and quickest_s <= (application.deadline_s or np.inf)
    if plan.secure:
        return good, good
    hides_features = application.private_hides == "input" or plan.noisy or not plan.sends_features
    return good, good and not plan.sends_raw and hides_features


def _group(params: InferenceOffloadingParams, group: UserGroupSettings, card: LinkCard) -> Table:
    row = np.zeros((), GROUP)
    power, arrivals = load_card(group.device, "device").power, group.application.arrivals
    row["deadline_s"] = group.application.deadline_s or np.inf
    row["rtt_s"] = card.rtt_s
    if card.radio is not None:
        row["up_j_per_byte"], row["up_w"] = card.radio.up_j_per_byte, card.radio.up_base_w
    row["idle_w"] = 0.0 if power is None else power.idle_w or 0.0
    row["battery_j"] = group.battery_j or np.inf
    row["replan"] = params.plans.peers is not None and params.plans.peers.replan
    # A trace at its recorded speed: its rate is not in the settings, and only prices and a column use it.
    row["task_rate"] = (arrivals.rate or 1.0) if isinstance(arrivals, ArrivalTraceSettings) else arrivals.rate
    return row


def _row(plan: Plan, job: int, access: tuple[bool, bool]) -> Table:
    """A plan's record."""
    row = np.zeros((), PLAN)
    for name in PLAN.names or ():
        if name not in COMPUTED:
            row[name] = getattr(plan, name)
    row["job"], row["exists"] = job, True
    row["public"], row["private"] = access
    return row


def quickest(plan: Plan, card: LinkCard, fastest_bps: float, servers: Table) -> float:
    """Latency at median computing times with empty queues, the fastest uplink and the shortest round trip, seconds."""
    device = plan.device_s / plan.workers + plan.exchange_s
    if plan.leave_share > 0.0:
        device = min(device, plan.leave_s)
    if plan.leave_share > 0.0 or (plan.server < 0 and not plan.cloud):
        return device
    rtt = card.rtt_s if card.rtt_table is None else float(card.rtt_table.values[0])
    rtt += float(servers["hop_s"][plan.server]) if plan.server >= 0 else 0.0
    remote = 0.0 if plan.reuse else plan.first_s + plan.backbone_s + plan.cloud_s
    return device + BITS * plan.up_bytes / fastest_bps + plan.rounds * rtt + plan.protocol_s + remote


def _static(plan: Plan) -> list[float]:
    """The columns :data:`~edgegym.envs.inference_offloading.columns.STATIC_FEATURES`."""
    remote, anywhere = plan.first_s + plan.cloud_s, plan.server >= 0 or plan.cloud
    return [
        plan.device_s / (plan.device_s + SQUASH_S),
        remote / (remote + SQUASH_S),
        float(np.log2(1.0 + plan.up_bytes)) / 40.0,
        plan.device_j / (plan.device_j + 1.0),
        plan.accuracy,
        plan.leave_share,
        (plan.workers - 1) / 8.0,
        float(not anywhere),
        float(plan.server >= 0),
        float(plan.cloud),
        float(plan.sends_features),
        float(not plan.sends_raw and (plan.noisy or plan.secure or not plan.sends_features)),
    ]


def _servers(params: InferenceOffloadingParams) -> Table:
    servers = np.zeros(len(params.servers), SERVER)
    for row, server in zip(servers, params.servers, strict=True):
        row["largest_batch"] = server.largest_batch
        row["hop_s"] = 0.0 if server.link is None else load_card(server.link, "link").rtt_s
    return servers


def _rules(params: InferenceOffloadingParams) -> Table:
    rules, reward, reuse = np.zeros(1, RULES), params.reward, params.plans.reuse
    rules["timeout_s"] = params.timeout_s
    if reuse is not None:
        rules["similarity"], rules["similarity_s"] = reuse.similarity, reuse.similarity_s
        rules["reused_accuracy"] = reuse.accuracy_share
    for name in ("latency", "miss", "energy", "accuracy", "megabyte", "server", "externality"):
        rules[name] = getattr(reward, name)
    rules["regret"] = reward.signal == "regret"
    return rules


def _check_power(params: InferenceOffloadingParams, group: UserGroupSettings) -> None:
    needs = params.reward.energy > 0 or group.battery_j is not None
    if needs and load_card(group.device, "device").power is None:
        raise SettingsError(
            f"users.device: device card {group.device!r} does not know its power, but reward.energy or battery_j "
            "needs it. Set power on a copy of the card, or take one that has it."
        )


def provenance(params: InferenceOffloadingParams, labels: Sequence[Sequence[str]]) -> dict[str, str]:
    """Sources of all cards that the plans were counted from."""
    devices = {group.device for group in params.users} | {server.card for server in params.servers}
    links = {params.access.card} | {server.link for server in params.servers if server.link}
    models = {name for group in params.users for name in group.application.models}
    if params.cloud is not None:
        devices.add(params.cloud.card)
        links.add(params.cloud.link)
    facts = {f"device {name}": load_card(name, "device").provenance.source for name in sorted(devices)}
    facts |= {f"link {name}": load_card(name, "link").provenance.source for name in sorted(links)}
    facts |= {f"model {name}": load_card(name, "model").provenance.source for name in sorted(models)}
    return facts | {"plans": ", ".join(str(len(names)) for names in labels) + " candidates"}
