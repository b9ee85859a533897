"""``EdgeGym/NetworkFunctions-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.network_functions.system import NetworkFunctionsSystem


class NetworkFunctionsEnv(CandidateEnv):
    """Where the network functions of arriving flows run, one function after another, and over which paths.

    ## Description
    Flow requests arrive at a network whose nodes compute and whose links carry bandwidth. Each goes from a source
    through a chain of functions to a destination and stays for a lifetime. The agent places its functions in turn, each
    on a node that has the capacity and a path with the bandwidth from the node before, or rejects the request. What a
    request holds is given back exactly when it departs, or at once when it is rejected midway. The first feasible of
    the k shortest paths counts; with the last function the flow is led on to its destination.

    Two kinds of requests are built in, on the same kernel:

    - ``abstract``: demands in units of computing and bandwidth, as in the literature on embedding (for example M.
      Chowdhury et al., "ViNEYard", IEEE/ACM ToN 20(1), 2012). ``waxman100`` takes its common setting (Waxman network of
      100 nodes, alpha .5, beta .2; capacities 50 to 100, demands 0 to 20 and 0 to 50, 2 to 10 functions, lifetimes of
      500, 1000 Poisson requests) with chains between two endpoints in place of random graphs, and a rate of 0.3 at
      which node ranks accept about as much as is published for graphs.
    - ``services``: flows of named functions. A deep-learning function costs what its model card takes on the node's
      device card; it must keep up in real time. A node is an M/G/1 queue of calls, and flows wait for batches.
      Functions
      of one kind share an instance, which takes memory, starts up, and is torn down ``idle_s`` after its last flow.
      With ``overload="break"`` a node takes more than it can serve, and all flows that it serves are late.

    Links and nodes may fail. A failed node neither computes nor forwards: its instances are gone, and flows that start,
    end or are served there are lost. Each segment over a failed link or through a failed node is led anew: then
    candidates are paths, and rejecting ends the flow.

    With ``congestion`` segments are also led around congested links, as by a controller of a software-defined network.
    A link is congested from the moment at which its utilisation (reserved bandwidth over capacity) exceeds ``above``
    until it has fallen to ``until``. When a link becomes so, each segment over it is asked once, the oldest flow first,
    until the link is calm. Candidates are other paths without a link that is congested or would be; action 0 stays, and
    where there is no other path nobody is asked. Staying costs nothing but the bandwidth that later requests lack;
    moving costs ``reward.rerouted``, what the flow sends in the next ``update_s`` is held back until these are over
    (which counts in its delay), and its new path may be longer. Moves after failures cost the same.

    An episode is drawn from the workload seed; from then on the system is a deterministic function of the actions.

    ## Action Space
    ``Discrete(K + 1)``. Action 0 rejects and is always allowed. Action i + 1 is node i, or with ``candidates`` the i-th
    of the nodes whose way from here and on to the destination has the fewest hops; in a decision about a path, the i-th
    shortest. K is the number of nodes, or of paths where flows may be led anew and these are more, and never more than
    ``candidates``. Exactly what is infeasible is forbidden; it counts as 0 and in ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(K + 1, 22)`` and ``context`` ``(16,)``, float32 in [0, 1], and ``mask`` ``(K + 1,)``
    int8. With ``observation="flat"`` one ``Box`` of the same numbers in this order. "Squashed" means x / (1 + x).
    Forbidden candidates and the fallback are zero, but in congestion the fallback is the path that it stays on,
    described like the others, so that a rule over columns stays unless it prefers another path.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``place``: 1 for all that leads the flow on, 0 for rejecting | 0 | 1 |
    | 1 | ``hops``: of the path to it, in eighths | 0 | 1 |
    | 2 | ``detour``: hops by way of it to the destination above those of the direct way, in eighths | 0 | 1 |
    | 3 | ``destination_hops``: from it to the destination, in eighths | 0 | 1 |
    | 4 | ``stay``: it is the node, or the path, where the flow is already | 0 | 1 |
    | 5 | ``path_delay``: as a share of what is left of the delay budget (of a second without one) | 0 | 1 |
    | 6 | ``bottleneck``: least share of a link's bandwidth that is free after, along the path | 0 | 1 |
    | 7 | ``congestion``: taken over free bandwidth, summed along the path, squashed | 0 | 1 |
    | 8 | ``cpu_left``: computing capacity free after, as a share of the node's | 0 | 1 |
    | 9 | ``cpu_most``: likewise, as a share of the largest node's | 0 | 1 |
    | 10 | ``cpu_taken``: demand as a share of what is free | 0 | 1 |
    | 11 | ``bandwidth_left``: free on its links, as a share of their capacity | 0 | 1 |
    | 12 | ``bandwidth_around``: likewise, as a share of the most that any node has | 0 | 1 |
    | 13 | ``degree``: number of its links, as a share of the most | 0 | 1 |
    | 14 | ``next_fit``: neighbours that could take the next function, over 4, squashed; 1 with the last | 0 | 1 |
    | 15 | ``onward``: these as a share of its neighbours; 1 with the last | 0 | 1 |
    | 16 | ``processing``: delay there, queueing included, as a share like ``path_delay`` | 0 | 1 |
    | 17 | ``running``: an instance runs there | 0 | 1 |
    | 18 | ``instance_load``: what it takes of the node's capacity | 0 | 1 |
    | 19 | ``startup``: wait for it over the start-up budget (or a second), squashed | 0 | 1 |
    | 20 | ``memory_left``: free after, as a share of the node's | 0 | 1 |
    | 21 | ``power``: that the function adds, in tens of watts, squashed | 0 | 1 |

    With ``completion`` three more follow. Each candidate is taken together with the cheapest completion: the way from
    there through hosts of the functions to come to the destination, over links that have room, that takes the least
    bandwidth times hops (a shortest path through layers; delays and what functions to come take from each other apart).

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 22 | ``excess``: bandwidth times hops above those of the best candidate, over a mean link, squashed | 0 | 1 |
    | 23 | ``link_time``: its bandwidth-time over a fair share of the network's at the mean rate, squashed | 0 | 1 |
    | 24 | ``node_time``: its computing time likewise | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``reroute``: the decision is about a path: 1 after a failure, 0.5 in congestion | 0 | 1 |
    | 1 | ``progress``: segments that are placed, as a share of the request's | 0 | 1 |
    | 2 | ``functions_to_come``: this one included, in tenths | 0 | 1 |
    | 3 | ``cpu_demand``: of this function (here), over a mean node, squashed | 0 | 1 |
    | 4 | ``bandwidth_demand``: to it, over a mean link, squashed | 0 | 1 |
    | 5 | ``bandwidth_next``: from it, likewise | 0 | 1 |
    | 6 | ``cpu_to_come``: of all functions to come, over a mean node, squashed | 0 | 1 |
    | 7 | ``bandwidth_to_come``: of all segments to come, over three mean links, squashed | 0 | 1 |
    | 8 | ``lifetime``: over the mean, squashed | 0 | 1 |
    | 9 | ``spent``: cost so far over revenue, squashed | 0 | 1 |
    | 10 | ``value``: revenue over that expected of the workload, squashed | 0 | 1 |
    | 11 | ``direct_hops``: from here to the destination, in eighths | 0 | 1 |
    | 12 | ``cpu_free``: share of the network's computing capacity | 0 | 1 |
    | 13 | ``bandwidth_free``: share of its bandwidth | 0 | 1 |
    | 14 | ``feasible``: feasible candidates, offered or not, as a share of the nodes | 0 | 1 |
    | 15 | ``budget_left``: share of the delay budget; 1 without | 0 | 1 |

    ## Rewards
    The weighted terms of ``reward``: ``accepted`` per accepted request (the default), minus ``rejected`` per rejected
    one, ``placed`` per function, ``revenue`` of accepted requests, minus ``link_price`` and ``node_price`` per fair
    share of bandwidth-time and computing time, minus ``failed`` per flow that a failure ends and ``rerouted`` per
    segment that is led over another path. What a request was paid before its rejection is taken back.
    For training, ``signal="regret"`` pays minus the regret of every placement and rejection instead of these terms but
    the last two: what the choice is worth less than the best one, with an accepted request worth ``accepted`` plus
    ``rejected`` less its prices at the cheapest completion, and a rejected one nothing. Evaluation pays the terms.

    ## Starting State
    An empty network.

    ## Episode End
    Terminated after the last request; all flows have departed by then. ``info["metrics"]`` holds ``acceptance_ratio``,
    ``revenue_rate``, ``revenue_to_cost``, ``flow_success``, ``delay_mean_s``, ``delay_p95_s``, ``deadline_misses``,
    ``startup_mean_s``, ``node_utilisation``, ``link_utilisation``, ``running_instances``, ``started_instances``,
    ``power_w``, ``failed_flows``, ``rerouted_segments``, ``relieved_segments``, ``congested_links`` and
    ``invalid_actions``. Revenue is the sum of a request's
    demands and bandwidths, cost that of demands and bandwidths times hops. The final observation is zero and allows
    action 0 only. Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"waxman100"``, ``"abilene"``, ``"edge_tree"`` (services), ``"topologies"`` (ten) |
    | ``substrate`` | Waxman, 100 nodes | builder and its settings, capacities, ``seed``, ``networks``, ``paths`` (k) |
    | ``workload`` | abstract | ``{"kind": "abstract"}`` or ``{"kind": "services"}``, arrivals, lifetimes, budgets |
    | ``devices`` | Orin | device card by tier of the nodes (services) |
    | ``candidates`` | ``None`` | most nodes, or paths, offered; all if left out |
    | ``completion`` | ``False`` | show the cheapest completion by way of each candidate: three more columns |
    | ``distinct`` | ``False`` | no two functions of a request share a node (``True`` in ``waxman100``) |
    | ``overload`` | ``"refuse"`` | or ``"break"`` |
    | ``idle_s`` | 0 | how long an instance is kept after its last flow |
    | ``failures`` | none | ``link_mtbf_s``, ``node_mtbf_s``, ``repair_s``, ``reroute`` |
    | ``congestion`` | none | ``above`` and ``until``, utilisations between which links are congested |
    | ``update_s`` | 0 | until the rules of another path are in place |
    | ``reward`` | ``{"accepted": 1.0}`` | weights of the terms |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.network_functions.workload.Episode` of requests and failures to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/NetworkFunctions-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = NetworkFunctionsSystem


class NetworkFunctionsVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`NetworkFunctionsEnv`: one kernel call steps all rows."""

    env_class = NetworkFunctionsEnv
