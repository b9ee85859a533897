"""An independent, slow model of the offloading system: plain Python, one event after another.

It shares the tables of plans with the environment, and nothing of its kernel: queues are lists, uploads are integrated
in small steps between the changes of the rate, batches are formed by looking at everything that waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HISTORY_S = 20


@dataclass
class Course:
    """What became of a task."""

    finish: float = math.nan
    sent: float = math.nan
    energy_j: float = 0.0
    server_s: float = 0.0
    bytes: float = 0.0
    accuracy: float = 0.0
    failed: bool = False
    reused: bool = False


def upload(rate: NDArray[np.float64], start: float, size: float, timeout_s: float) -> tuple[float, bool]:
    """End of an upload and whether it failed."""
    bits, now = 8.0 * size, start
    while bits > 0.0:
        index = min(math.floor(now) + HISTORY_S, len(rate) - 1)
        step = math.floor(now) + 1.0 - now
        if now + step > start + timeout_s:
            step = start + timeout_s - now
        if rate[index] * step >= bits:
            now += bits / rate[index]
            return now, now - start >= timeout_s
        bits -= rate[index] * step
        now += step
        if now >= start + timeout_s - 1e-12:
            return start + timeout_s, True
    return now, False


def play(system: Any, episode: Any, choices: list[int]) -> list[Course]:
    """Play an episode of a system without batteries by the plan numbers of ``choices``, in order of arrival."""
    tables, params = system.tables, system.params
    rules = tables.rules[0]
    courses = [Course() for _ in episode.tasks]
    device_free, link_free = [0.0] * system.source.users, [0.0] * system.source.users
    arrivals: list[list[tuple[float, int]]] = [[] for _ in tables.servers]
    plans = [tables.plans[tables.group_of[task["user"]], k] for task, k in zip(episode.tasks, choices, strict=True)]
    results: list[list[tuple[float, int]]] = [[] for _ in tables.servers]
    free = [0.0] * len(tables.servers)

    def serve(server: int, until: float) -> None:
        """Take up every batch that starts by a time."""
        waiting = arrivals[server]
        while waiting:
            waiting.sort(key=lambda job: job[0])
            start = max(free[server], waiting[0][0])
            if start > until:
                return
            batch = [waiting.pop(0)]
            while (
                waiting
                and len(batch) < params.servers[server].largest_batch
                and waiting[0][0] <= start
                and plans[waiting[0][1]]["job"] == plans[batch[0][1]]["job"]
            ):
                batch.append(waiting.pop(0))
            lead = plans[batch[0][1]]
            noise = math.exp(lead["server_sigma"] * episode.tasks[batch[0][1]]["server_noise"])
            busy = (lead["first_s"] + lead["each_s"] * (len(batch) - 1)) * noise
            free[server] = start + busy
            for _, i in batch:
                courses[i].server_s += busy / len(batch)
                deliver(i, start + busy)
                if plans[i]["answers"]:
                    results[server].append((start + busy, int(episode.tasks[i]["scene"])))

    def deliver(i: int, now: float) -> None:
        """What follows the edge: the cloud, and the way back."""
        plan, task, course = plans[i], episode.tasks[i], courses[i]
        if plan["cloud"] and not course.reused:
            seconds = plan["cloud_s"] * math.exp(plan["cloud_sigma"] * task["server_noise"])
            course.server_s += seconds
            now += plan["backbone_s"] + seconds
        course.finish = now + 0.5 * (task["rtt_s"] + hop(plan))

    def hop(plan: Any) -> float:
        return float(tables.servers[plan["server"]]["hop_s"]) if plan["server"] >= 0 else 0.0

    for i, (task, plan) in enumerate(zip(episode.tasks, plans, strict=True)):
        user, group, course = int(task["user"]), tables.groups[tables.group_of[task["user"]]], courses[i]
        for server in range(len(tables.servers)):
            serve(server, float(task["time"]))
        leaves = task["ease"] < plan["leave_share"]
        median, joules = (plan["leave_s"], plan["leave_j"]) if leaves else (plan["device_s"], plan["device_j"])
        seconds = float(median) * math.exp(plan["device_sigma"] * task["device_noise"])
        start = max(task["time"], device_free[user]) if seconds > 0.0 else float(task["time"])
        device_end = start + seconds
        device_free[user] = max(device_free[user], device_end)
        course.accuracy = float(plan["accuracy"])
        course.energy_j = float(joules) * math.exp(plan["device_sigma"] * task["device_noise"])
        if leaves or (plan["server"] < 0 and not plan["cloud"]):
            course.finish = device_end
            continue
        send = max(device_end, link_free[user])
        course.sent, course.failed = upload(episode.rate[user], send, float(plan["up_bytes"]), params.timeout_s)
        link_free[user] = course.sent
        course.bytes = float(plan["up_bytes"])
        course.energy_j += group["up_w"] * (course.sent - send) + group["up_j_per_byte"] * course.bytes
        if course.failed:
            course.finish = course.sent
            continue
        round_trip = task["rtt_s"] + hop(plan)
        arrive = course.sent + (plan["rounds"] - 0.5) * round_trip + plan["protocol_s"]
        if plan["server"] < 0:
            deliver(i, arrive)
            continue
        age = min((arrive - at for at, scene in results[plan["server"]] if scene == task["scene"]), default=math.inf)
        chance = rules["similarity"] * math.exp(-age / rules["similarity_s"]) if 0.0 <= age < math.inf else 0.0
        if plan["reuse"] and task["alike"] < chance:
            course.reused = True
            course.accuracy *= float(rules["reused_accuracy"])
            deliver(i, arrive)
        else:
            arrivals[plan["server"]].append((arrive, i))
    for server in range(len(tables.servers)):
        serve(server, math.inf)
    return courses
