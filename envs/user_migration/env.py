"""``EdgeGym/UserMigration-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.user_migration.system import UserMigrationSystem


class UserMigrationEnv(CandidateEnv):
    """Where the services of moving users run, slot by slot.

    ## Description
    Each user has a service at an edge site. In every slot the users that are there are asked one after another whether
    the service stays or migrates to one of some candidate sites. The slot then costs what distance, migrations and
    loads make of it. Four workloads, three of them with a preset:

    - ``city``: generated users (Manhattan grid, random waypoint, Gauss-Markov) over hexagonal cells or real sites, with
      access and backhaul delays, service times under load (processor sharing: alone over one minus utilisation), full
      sites, and migration by pre-copy, all from link and device cards. Preset ``melbourne`` has the 125 sites of
      Melbourne's centre in the EUA data set (swinedge/eua-dataset); ``workload.starts`` may name a file of positions,
      for example that data set's users, where users then begin.
    - ``hex_mdp``: the published random walk on hexagons with constant-plus-exponential costs, whose optimum
      :mod:`edgegym.mobility.hex_mdp` computes (S. Wang et al., IEEE/ACM ToN 2019). At ``reach`` hops the service must
      move; candidates are the cells on a shortest path to the user, by ring.
    - ``sf_taxi``: taxis over real cells with the same costs, split by taxi.
    - ``trace``: your own users, from a CSV file with ``user``, ``time`` and either ``cell``, ``x_m`` and ``y_m``, or
      ``latitude`` and ``longitude``, over your own sites or hexagons laid over the area, split by user. Slots begin
      every ``slot_s``; a gap of more than ``gap_s`` ends a session, over a shorter one the last position holds or the
      user moves straight on (``between``). See :mod:`edgegym.mobility.positions`.

    Both kinds of recorded users go with both kinds of costs; ``workload.users`` of them share the sites.

    A user outside every cell, or missing from a trace, is away: its service ends without cost, and the next session
    starts free at the user's cell or, if that is full, at the nearest site with room. A site without servers is never a
    candidate. An episode whose services might not fit is refused when it begins.

    Two sites are as many backhaul links apart as there are hops in their straight distance, or, with
    ``backhaul={"kind": "graph"}``, as many as there are on the quickest path over links that are listed, read from a
    file or drawn (Gabriel graph, nearest sites, ring, star). All delays, migrations and columns of hops follow these
    paths; a migration gets a share of the slowest link. Sites without a path between them are refused.

    ``likely``, ``next_near``, ``outlook``, ``dwell`` and some candidates come from a ``predictor``: a Markov chain over
    the last two cells, or a folder of ``edgegym forecast`` with a recurrent network that corrects the chain from what
    the user has shown so far, its cells or also its position, speed and heading. It goes with the map and the slot
    length that it was fitted to; others are refused.

    Energy is what cards state: active power of the server for the time of each request, the phone's energy for each
    byte that it sends, and the backhaul's for each byte of requests and migrations. ``cost.energy`` puts a price on it.

    ## Action Space
    ``Discrete(K)``. Action 0 stays and is always allowed (where ``reach`` forbids staying, it goes to the user's cell).
    Over sites the others are, without repetitions: the user's cell, the best by the outlook, the likely next cells, the
    cell before, the least loaded of the seven nearest, and further nearest ones, each only if it has room.

    ## Observation Space
    A dict of ``candidates`` ``(K, 13)`` and ``context`` ``(10,)``, float32 in [0, 1], and ``mask`` ``(K,)`` int8. With
    ``observation="flat"`` one ``Box`` of the same numbers in this order. Costs are shown as x / (x + 1), hops as
    x / (x + 8). What ``observe`` hides is 0.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``stay``: the service runs there now | 0 | 1 |
    | 1 | ``at_user``: it is the user's cell | 0 | 1 |
    | 2 | ``from_user``: hops from the user's cell | 0 | 1 |
    | 3 | ``from_service``: hops from the service's site | 0 | 1 |
    | 4 | ``near``: cost of this slot there, without service time | 0 | 1 |
    | 5 | ``move``: cost of the migration, or of the handover of a service that stays | 0 | 1 |
    | 6 | ``congestion``: what it adds to service times there, its own included | 0 | 1 |
    | 7 | ``likely``: probability of being the user's cell in the next slot | 0 | 1 |
    | 8 | ``next_near``: expected ``near`` in the next slot | 0 | 1 |
    | 9 | ``outlook``: cost to go by the predictor, beyond the least among the candidates | 0 | 1 |
    | 10 | ``along``: whether it lies ahead (1) or behind (0), by the last change of cell | 0 | 1 |
    | 11 | ``utilisation``: busy share of its servers, without this service | 0 | 1 |
    | 12 | ``beyond``: ``near``, ``move``, ``congestion`` and cost to go, beyond the least, x / (x + .1) | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``offset``: hops between user and service | 0 | 1 |
    | 1 | ``in_cell``: log2(1 + slots in this cell) / 10 | 0 | 1 |
    | 2 | ``at_site``: log2(1 + slots since the last migration) / 10 | 0 | 1 |
    | 3 | ``dwell``: probability of being in the same cell in the next slot | 0 | 1 |
    | 4 | ``overspent``: virtual queue of the migration cost beyond ``migration_budget``, as a cost | 0 | 1 |
    | 5 | ``position``: users before this one, as a share of all | 0 | 1 |
    | 6 | ``load``: utilisation of the service's site by others | 0 | 1 |
    | 7 | ``demand``: servers that the service keeps busy, x / (x + .1) | 0 | 1 |
    | 8 | ``urgency``: cost of its service time on an empty site, x / (x + .1) | 0 | 1 |
    | 9 | ``handed``: the user changed cell in this slot | 0 | 1 |

    ## Rewards
    Minus the cost of all users, when a slot closes. ``reward={"signal": "regret"}`` instead pays, at each decision,
    minus what it costs beyond the best candidate if the rest of that user's path were known, decided by who knows it
    or (``continuation``) by the look-ahead: training only, and evaluation does not use it.

    ## Starting State
    Every service runs in its user's cell, or at the nearest site with room.

    ## Episode End
    Terminated after the last slot; ``info["metrics"]`` then holds ``cost_per_slot``, ``discounted_cost``,
    ``latency_mean_s``, ``latency_p95_s``, ``deadline_misses``, ``motion_to_photon_misses``, ``migrations_per_slot``,
    ``migrations_per_hour``, ``bytes_per_hour``, ``downtime``, ``energy_j``, ``load_balance``, ``user_slots``,
    ``outside`` and ``invalid_actions``; NaN where the costs have no such unit or no card states it. The final
    observation is zero and allows action 0 only.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"city"`` (the defaults), ``"hex_mdp"``, ``"sf_taxi"`` or ``"melbourne"`` |
    | ``workload`` | city | by ``kind``: ``"city"``, ``"hex_walk"``, ``"taxi"`` or ``"trace"`` |
    | ``cost`` | edge | by ``kind``: ``"edge"`` or ``"exponential"`` |
    | ``backhaul`` | distance | by ``kind``: ``"distance"`` or ``"graph"`` |
    | ``services`` | four | mix of services: state, dirty rate, requests, work, deadline |
    | ``candidates`` | 8 | K over sites; 1 + ``reach`` on the plane |
    | ``reach`` | ``None`` | hops from which on a service cannot stay |
    | ``observe`` | ``"prediction"`` | or ``"cell"``, ``"motion"`` |
    | ``discount`` | 0.9 | of ``discounted_cost`` |
    | ``predictor`` | ``"markov"`` | or the folder of a recurrent predictor, of ``edgegym forecast`` |
    | ``lookahead`` | 0.97 | discount of ``outlook`` |
    | ``migration_budget`` | 0.05 | of ``overspent`` |
    | ``reward`` | cost | ``{"signal": "cost"}`` or ``"regret"``, with ``continuation`` and ``migration`` |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.user_migration.workload.Episode` to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/UserMigration-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = UserMigrationSystem


class UserMigrationVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`UserMigrationEnv`: one kernel call steps all rows."""

    env_class = UserMigrationEnv
