"""``EdgeGym/BinaryOffloading-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.binary_offloading.system import BinaryOffloadingSystem


class BinaryOffloadingEnv(CandidateEnv):
    """Which devices compute locally and which offload, frame by frame over one radio channel.

    ## Description
    N devices share a channel to an edge server. In each frame each of them either computes locally or offloads, and is
    asked which, one after another. When all have answered, time and energy are shared out in the best way for these
    answers: a convex problem that is solved exactly, to about 1e-6, in microseconds. Two problems are built in:

    - ``wireless_power`` (DROO: L. Huang, S. Bi and Y.-J. A. Zhang, IEEE TMC 2020). Devices live on the power that an
      access point sends during a share of the frame; those that offload share the rest for their uploads. The aim is
      the weighted sum rate. Frames do not depend on each other: a contextual bandit of N steps, unless fading is
      correlated, which changes the next gains but not what is best now.
    - ``queueing`` (LyDROO: S. Bi, L. Huang, H. Wang and Y.-J. A. Zhang, IEEE TWC 2021). Data arrive at random and wait;
      the aim is short queues with at most ``budget_j`` joules per frame and device. The allocation maximises
      sum (Q + V w) r - c Y e over rates r and energies e, where Q is the data queue and Y a virtual queue of the energy
      beyond the budget. Frames depend on each other through both queues.

    Devices are asked in falling order of gain; with queues, of (Q + V w) log2(1 + P h / N0).

    An episode is a number of frames: gains and arrivals are drawn from the workload seed, or read from a file. From
    then on the system is a deterministic function of the actions.

    ## Action Space
    ``Discrete(2)``. Action 0 computes locally and is always allowed; action 1 offloads. It is forbidden to a device
    without a channel (gain 0) or with an empty queue; it then counts as 0 and in ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(2, 12)`` and ``context`` ``(12,)``, float32 in [0, 1], and ``mask`` ``(2,)`` int8. With
    ``observation="flat"`` one ``Box`` of the same numbers in this order. "oct" means .5 + log2(x) / 40, and "x
    against y" means x / (x + y). No column solves an allocation. "Value" is weighted rate, or with queues the device's
    part of the slot objective. "Alone" is offloading with the channel to itself: with queues at its best power, else at
    half the frame for power and half for the upload.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``offload``: this is candidate 1 | 0 | 1 |
    | 1 | ``weight``: of the device, as a share of the largest | 0 | 1 |
    | 2 | ``snr``: signal-to-noise ratio at the server with all power, oct | 0 | 1 |
    | 3 | ``queue``: log2(1 + Mbit waiting) / 16 | 0 | 1 |
    | 4 | ``energy_queue``: log2(1 + Y) / 16 | 0 | 1 |
    | 5 | ``value``: of this candidate alone over the mean local value of all devices, oct | 0 | 1 |
    | 6 | ``advantage``: value of offloading alone over computing locally, oct | 0 | 1 |
    | 7 | ``time``: share of the frame that it is sure to want if it offloads (.5 without queues) | 0 | 1 |
    | 8 | ``surplus``: what offloading alone adds, against the most that it adds to a device asked later | 0 | 1 |
    | 9 | ``density``: what ``time`` adds per unit of it, against the most for a device asked later | 0 | 1 |
    | 10 | ``most_surplus``: it adds more than to any device asked later | 0 | 1 |
    | 11 | ``most_density``: likewise per unit of ``time`` | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``position``: devices that have answered, as a share of all | 0 | 1 |
    | 1 | ``offloading``: devices that offload so far, as a share of all | 0 | 1 |
    | 2 | ``local_so_far``: local value of those that compute locally so far, as a share of that of all | 0 | 1 |
    | 3 | ``local_to_come``: local value of those asked later, as a share of that of all | 0 | 1 |
    | 4 | ``local_level``: local value of all over the rate of a nat per second and hertz, oct | 0 | 1 |
    | 5 | ``offloading_snr``: of those that offload so far, sum of weight * snr or (Q + V w) * snr, oct | 0 | 1 |
    | 6 | ``offloading_time``: their sum of ``time``, as a share of the number of devices | 0 | 1 |
    | 7 | ``offloading_surplus``: their sum of what offloading alone adds, against that of the asked device | 0 | 1 |
    | 8 | ``offloading_density``: the least among them of what ``time`` adds, against that of the asked device | 0 | 1 |
    | 9 | ``ahead_1``: what offloading alone adds to the device asked next, against the asked one | 0 | 1 |
    | 10 | ``ahead_2``: to the one after it | 0 | 1 |
    | 11 | ``ahead_3``: to the third | 0 | 1 |

    ## Rewards
    Each frame, when its last device has answered, pays the weighted terms of ``reward``: ``rate`` (per Mbit/s of
    weighted sum rate, the default), ``objective``, minus ``queue`` (per Mbit waiting at its end, mean over devices; the
    default of ``lydroo``), minus ``energy`` (per joule). With ``reward={"signal": "regret"}`` a decision instead pays
    minus its cost against the other answer, in percent of the frame's value, if the devices asked later followed the
    mode that coordinate descent finds. That signal solves tens of allocations a frame: it is for training, and
    evaluation does not use it.

    ## Starting State
    Empty queues.

    ## Episode End
    Terminated after the last frame; ``info["metrics"]`` then holds ``rate_bps``, ``optimum_ratio`` (mean over frames of
    the rate over that of the best of all modes), ``optimum_ratio_p1``, ``optimum_ratio_min``, ``optimal_share``,
    ``mean_queue_mbit``, ``late_queue_mbit``, ``energy_j``, ``objective``, ``offloading_share``, ``critic_calls`` (per
    frame; 0 for whoever steps the environment) and ``invalid_actions``. Those of the other problem are NaN. The final
    observation is zero and allows action 0 only. Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"droo"`` (the defaults) or ``"lydroo"`` |
    | ``problem`` | ``"wireless_power"`` | or ``"queueing"`` |
    | ``workload`` | fading | ``{"kind": "fading"}`` draws, ``{"kind": "file", "path": ...}`` reads: see below |
    | ``weights`` | ``(1, 1.5)`` | of the devices, begun again when there are more; ``(1.5, 1)`` in ``lydroo`` |
    | ``wireless_power`` | published | constants of the first problem |
    | ``queueing`` | published | constants of the second problem |
    | ``reward`` | ``{"rate": 1.0}`` | weights of the terms, and ``signal`` |
    | ``optimum`` | ``True`` | compare with the best modes in the metrics (without queues, up to 16 devices) |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    A drawn workload has ``devices``, ``frames``, ``distance_m``, ``placement``, ``antenna_gain``, ``carrier_hz``,
    ``path_loss_exponent``, ``line_of_sight``, ``correlation`` or ``doppler`` of the fading, and ``arrival_mbit``: mean
    Mbit per device and frame, the load (3 as published; no rule is stable far beyond 3.2). A file is
    an ``.npz`` with ``h`` (frames, devices) and for queues ``arrival``, in ``path``, used in ``part``, as a whole or in
    windows of ``frames``.

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.binary_offloading.workload.Episode` of gains and arrivals to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/BinaryOffloading-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = BinaryOffloadingSystem


class BinaryOffloadingVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`BinaryOffloadingEnv`: one kernel call steps all rows."""

    env_class = BinaryOffloadingEnv
