"""Every constant of the scheduler, each with its unit, why it exists and how its value was chosen.

``python -m tests.bench.split --tuning NAME=VALUE`` measures another value against these. "Convention" means that the
value follows another program or the theory named; "judgement" means that no measurement of other values is recorded.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerTuning:
    """What the scheduler's decisions are tuned by. ``DEFAULT_TUNING`` is what the proxy runs with."""

    # --- a miner's hash rate (rate.py, miner.py) ------------------------------------------------------------------

    rate_window_s: float = 3600.0
    """Unit: seconds of work.
    Why: what is known of a rate counts half after each window, so that the last hour counts most.
    Chosen by: judgement; a rate that changes at once is caught by ``rate_change_sigmas`` within minutes instead."""
    rate_block_shares: int = 64
    """Unit: shares.
    Why: a block of so many is compared with what was known before; smaller ones cannot tell change from luck.
    Chosen by: tests/scheduling/test_rate.py: a change by 2.5 is found in 15 minutes at 3 s a share."""
    rate_change_sigmas: float = 4.5
    """Unit: standard deviations between a block and what was known.
    Why: what is beyond is a changed rate, and what was known before is dropped; below, it is luck.
    Chosen by: the normal distribution: about 1 block in 100,000 is taken for a change by luck."""
    most_unfound_shares: float = 3.0
    """Unit: expected shares.
    Why: a pool may have raised the difficulty just before it was left, so the time spent on a share that was not found
    counts as so many at most until the next one tells.
    Chosen by: the Poisson distribution: luck alone takes longer once in 20. tests.bench.split, 12 mixed at 60:30:10,
    mean error of 4 seeds at 15 and 60 minutes: 0.62 and 0.43 points; with 1.5 it is 0.89 and 0.42, with 6 0.94 and
    0.66."""
    sure_shares: float = 30.0
    """Unit: shares (those of an hour ago count half).
    Why: decisions for good (excluding a pool) need a rate within a fifth or so of the truth.
    Chosen by: the Poisson distribution: 1 / sqrt(30) = 0.18."""
    quiet_least_s: float = 60.0
    """Unit: seconds without a share.
    Why: no miner counts as quiet sooner; a quiet one earns no credit for its time.
    Chosen by: judgement."""
    quiet_intervals: float = 6.0
    """Unit: expected seconds a share.
    Why: after so many without a share a miner counts as quiet.
    Chosen by: the Poisson distribution: 1 in 400 by luck. tests.bench.split, as above: with 3 it is 1.15 and 0.76."""
    first_share_grace_s: float = 600.0
    """Unit: seconds.
    Why: grace period before a miner without any share counts as quiet.
    Chosen by: judgement; its rate is not known, so neither is how long a share should take."""
    known_shares: float = 48.0
    """Unit: shares.
    Why: from here on any rate is good enough to be packed by. A pool that begins too easy gets the first twenty in
    seconds; whole miners placed by those would be placed wrong.
    Chosen by: the Poisson distribution: within a seventh."""
    known_least_shares: float = 6.0
    """Unit: shares.
    Why: with fewer, the stated error of a rate cannot be relied on, however little the miner weighs.
    Chosen by: judgement."""
    learning_s: float = 300.0
    """Unit: seconds since the miner joined.
    Why: a miner with few shares is packed after this time with whatever is known.
    Chosen by: judgement."""

    # --- stays and rounds (dwell.py, rounds.py) -------------------------------------------------------------------

    dwell_factor: float = 2.0
    """Unit: times weight and the least time between switches.
    Why: the least stay on a pool follows its weight, so that an even pair gets the whole least time.
    Chosen by: convention; DPMP v2 has the same rule."""
    minority_weight: float = 0.5
    """Unit: normalised weight.
    Why: up to this weight a pool sees little of each miner, so the two least stays below hold there.
    Chosen by: judgement; half is where a pool stops being the larger one."""
    minority_dwell_s: float = 30.0
    """Unit: seconds.
    Why: what a switch costs is mostly what vardiff does meanwhile: it sees too few shares and decays.
    Chosen by: tests.bench.split, 10 seeds at 70:30: one miner 72 switches an hour instead of 120, all inside the wider
    bounds (5.00, 1.67, 0.42 points at 5, 15 and 60 minutes; decision 0051)."""
    dwell_shares: float = 5.0
    """Unit: shares.
    Why: a pool whose vardiff sees fewer in a stay learns nothing of the miner.
    Chosen by: convention; public-pool's vardiff looks at five."""
    dwell_from_shares: float = 0.5
    """Unit: shares (those of an hour ago count half).
    Why: with fewer, the time that a share takes is not known, so stays do not follow it.
    Chosen by: judgement; one share that is not older than an hour is enough."""
    dwell_most_switch_times: float = 10.0
    """Unit: times the least time between switches.
    Why: half a stay is the error of the split, so five shares of a slow miner must not take for ever.
    Chosen by: tests/scheduling/test_split.py: stays of a miner with a share in 600 s end at 300 s."""
    dwell_most_s: float = 600.0
    """Unit: seconds.
    Why: as above, where the operator's least time between switches is long.
    Chosen by: judgement."""
    calm_from: int = 12
    """Unit: working miners.
    Why: from here on the residual miners' rounds are as long as calm asks; smaller fleets need exactness more.
    Chosen by: tests/scheduling/test_split.py, twelve mixed miners."""
    calm_part: float = 0.06
    """Unit: part of the switches of slicing every miner.
    Why: what a ripe packed fleet spends on the slices of its residual miners; the promise is a tenth, the rest is for
    packing anew.
    Chosen by: tests.bench.split, four hours at 70:30: 0.01 to 0.06 in all for twelve miners and more."""
    calm_per_residual: float = 0.8
    """Unit: part of (pools - 1) / miners.
    Why: k pools leave k - 1 miners to be sliced, so a small fleet on three pools cannot do with ``calm_part``.
    Chosen by: tests.bench.split, 12 mixed at 60:30:10: 0.08 to 0.10 where 0.2 is promised."""
    calm_after_s: float = 1200.0
    """Unit: seconds since the ledger began.
    Why: a young ledger is exact before it is calm: half a round of surplus weighs more the less has been worked.
    Chosen by: judgement; errors at 15 minutes stay inside the bound."""
    most_uneven_stretch: float = 2.0
    """Unit: factor.
    Why: a residual miner's time shares are a guess, and a round planned for 5:95 is five times as short if the truth is
    50:50, so such a round is planned longer; more would put more surplus at stake than calm is worth.
    Chosen by: tests.bench.split, 12 mixed at 95:5 for two hours: 0.104 of slicing all on average and 0.155 at worst
    without, 0.078 and 0.120 with it; the mean error after an hour grew from 0.08 to 0.15 points (decision 0029)."""
    allowed_part: float = 0.1
    """Unit: part of the switches of slicing every miner.
    Why: what a calm fleet may use; rounds grow when it comes near.
    Chosen by: decision 0027: a tenth of slicing every miner."""
    allowed_per_residual: float = 1.2
    """Unit: part of (pools - 1) / miners.
    Why: as ``calm_per_residual``, for what may be used.
    Chosen by: decision 0027: k - 1 miners that are sliced, and a fifth for packing anew."""
    allowed_before_stretch: float = 0.8
    """Unit: part of the allowed switches.
    Why: rounds grow from here on, so that the limit is not met.
    Chosen by: tests.bench.split, 12 mixed at 95:5, 40 seeds: 0.070 of slicing all on average, 0.095 at worst."""
    most_restless_stretch: float = 3.0
    """Unit: factor.
    Why: how much longer rounds become at most for that.
    Chosen by: judgement; in force in the runs named above."""
    follow_tolerance: float = 0.01
    """Unit: part of all work.
    Why: the split counts as having followed a change once it is surely within this.
    Chosen by: judgement; one point of a split in percent."""

    # --- out of phase (phases.py) ---------------------------------------------------------------------------------

    phase_spread_from: int = 8
    """Unit: miners.
    Why: from here on, starts off centre average out; fewer are put out of phase with each check.
    Chosen by: judgement."""
    phase_spread: float = 0.5
    """Unit: part of half a round's swing.
    Why: how far off centre a miner may start; more would put surplus at stake that nobody needs.
    Chosen by: judgement."""
    phase_close: float = 0.5
    """Unit: part of an even distance (a round divided by the miners).
    Why: two switches closer together than this count as being in phase.
    Chosen by: tests/scheduling/test_phases.py: two miners share a pool for no more than they would by chance."""
    phase_checks_per_round: float = 7.0
    """Unit: checks a round.
    Why: a slice that has just begun or is about to end leaves no room to put miners apart, so they are looked
    at several times a round.
    Chosen by: tests/scheduling/test_phases.py: out of phase a few rounds after an outage."""

    phase_check_least_s: float = 1.0
    """Unit: seconds.
    Why: no such check comes sooner, however short the rounds are.
    Chosen by: judgement."""

    # --- whole miners to whole pools (policies/packing.py, fleet.py) ----------------------------------------------

    packing_from: int = 3
    """Unit: working miners.
    Why: with fewer, each is large against the whole, and slicing each is exact.
    Chosen by: the arithmetic of packing: k - 1 of k pools' miners are left over."""
    exact_first_s: float = 120.0
    """Unit: seconds since the ledger began.
    Why: so long, small miners help to slice off the surplus that all have from their start; packed, they could not.
    Chosen by: judgement."""
    hold_part: float = 0.01
    """Unit: part of the fleet's rate.
    Why: a miner that is surely no more than that stays where it is until it is packed, as long as the pools' loads are
    right: so many small ones average out, and slicing each of a thousand makes thirty switches a second.
    Chosen by: tests.bench.split, 1,000 mixed at 50:50 and 70:30: figures in docs/dev/measurements.md."""
    hold_doubt: float = 2.0
    """Unit: standard errors of the miner's rate.
    Why: what "surely" means above; one share alone counts as three times what it says.
    Chosen by: convention; two standard errors."""
    hold_look_each_s: float = 0.004
    """Unit: seconds for each miner of the fleet, where that is more than a dwell; ``horizon_least_s`` at most.
    Why: when a miner that is held is looked at again. Those of a fleet are looked at one after the other, and one in
    thousands that moves mends as much of the split as it can: 250 looks a second are enough for any fleet.
    Chosen by: tests.bench.split, 1,000 mixed: as without, where a dwell is longer."""
    rate_doubt: float = 0.02
    """Unit: part of the fleet's rate, over sqrt(miners).
    Why: how much of the fleet may be doubtful when a miner is packed, so that a small one needs few shares.
    Chosen by: judgement; small errors that are independent add up to 2 % of the fleet."""
    repack_pause_s: float = 60.0
    """Unit: seconds.
    Why: least time between two packings of everybody, which move whole miners.
    Chosen by: judgement."""
    residual_least_part: float = 0.05
    """Unit: part of its time.
    Why: a residual miner keeps at least this for any pool in reach, so that it may always go there to correct.
    Chosen by: judgement."""
    residual_swing_sigmas: float = 4.0
    """Unit: standard errors of the fleet's rates.
    Why: what a residual miner should be able to make up for by where it works.
    Chosen by: judgement; beyond four there is hardly luck."""
    residual_swing_surplus: float = 2.0
    """Unit: times the largest surplus over the horizon.
    Why: it should be able to work off the surplus in half the time that there is for it.
    Chosen by: judgement."""
    residual_keep_part: float = 0.5
    """Unit: part of that swing.
    Why: the residual miner of before is kept while it is as large as this; another choice moves miners.
    Chosen by: judgement."""
    residual_room_sigmas: float = 1.5
    """Unit: standard errors of the fleet's rates.
    Why: room that each pool should leave to the residual miners.
    Chosen by: judgement."""
    residual_options: int = 12
    """Unit: miners.
    Why: so many are tried as the residual one at most; each try packs the whole fleet.
    Chosen by: judgement."""
    alike_log_ratio: float = 0.3
    """Unit: logarithm of a ratio of rates.
    Why: rates within it count as alike when miners are ordered by size; among equals the luckiest would come first, and
    its luck does not last.
    Chosen by: judgement; it is two standard errors of a rate that rests on 48 shares."""
    short_room_cost: float = 2.0
    """Unit: hash rate a hash rate of missing room.
    Why: what missing room costs beside hash rate that swings, when ways to pack are compared.
    Chosen by: judgement."""
    move_cost: float = 0.1
    """Unit: standard errors of the fleet's rates, each move.
    Why: between ways to pack that are nearly as good, the one with fewer moves is taken.
    Chosen by: judgement."""
    stuck_sigmas: float = 0.5
    """Unit: standard errors of a pool's surplus.
    Why: less than this (and ``stuck_residual_s``) is no reason to pack anew.
    Chosen by: judgement."""
    stuck_residual_s: float = 15.0
    """Unit: seconds of the residual miners' work.
    Why: surplus that half a slice makes anyhow.
    Chosen by: half of the usual least time between switches."""
    horizon_part: float = 0.5
    """Unit: part of the ledger's age.
    Why: time in which surplus should be worked off: the younger the ledger, the more surplus weighs.
    Chosen by: judgement."""
    horizon_least_s: float = 60.0
    """Unit: seconds.
    Why: the shortest such time.
    Chosen by: judgement."""
    horizon_most_s: float = 600.0
    """Unit: seconds.
    Why: the longest such time.
    Chosen by: judgement."""
    rebalance_gain: float = 0.5
    """Unit: part of the miner's own rate.
    Why: a miner that has just started moves once more if the pools' loads differ by more than this.
    Chosen by: tests/scheduling/test_starts.py: ten miners spread as the weights say with one move each."""

    # --- the ledger (surplus.py, fleet_totals.py) -----------------------------------------------------------------

    correction_alpha: float = 0.05
    """Unit: probability.
    Why: part of all ledgers in which luck is ever corrected (a normal-mixture confidence sequence).
    Chosen by: convention."""
    correction_tuned_shares: float = 500.0
    """Unit: shares.
    Why: where the band is narrowest in relation to luck.
    Chosen by: judgement; with it a pool that refuses a tenth is paid 0.485 to 0.51 of 0.5 after a day, instead of 0.474
    (tests/scheduling/test_split.py)."""
    correction_pace: float = 0.1
    """Unit: part of the fleet's work since the last check.
    Why: miners that are sliced by themselves work a correction off together; at once, all would stand on one pool.
    Chosen by: tests/scheduling/test_memory.py; a pool that refuses a tenth is owed at that pace."""
    correction_most_part: float = 0.1
    """Unit: part of a pool's target.
    Why: a pool that refuses everything must not get everything.
    Chosen by: judgement."""
    surplus_most_s: float = 120.0
    """Unit: seconds of the whole fleet's work.
    Why: surplus beyond it gathered while it could not be worked off, and is dropped.
    Chosen by: judgement."""

    # --- how often and how fast (fleet.py, switch_budget.py, scheduler.py, pool_load.py, timer_queue.py) ------------

    check_s: float = 30.0
    """Unit: seconds.
    Why: time between two checks of a fleet's assignments, and the longest slice of a residual miner without a look.
    Chosen by: judgement; the usual least time between switches."""
    young_check_s: float = 10.0
    """Unit: seconds.
    Why: the same while rates are learnt or miners return to a pool.
    Chosen by: judgement."""
    young_s: float = 300.0
    """Unit: seconds since the ledger began.
    Why: how long that lasts.
    Chosen by: as ``learning_s``."""
    placement_delay_s: float = 1.0
    """Unit: seconds.
    Why: miners that join or leave together are dealt with in one check.
    Chosen by: judgement."""
    placement_delay_each_s: float = 0.001
    """Unit: seconds for each miner of the fleet, where that is more.
    Why: a check looks at all of them, so that the work for each one that joins would grow with the fleet.
    Chosen by: tests/scheduling/test_starts.py: as much work for a miner in a fleet of 4,000 as of 500."""
    retry_s: float = 2.0
    """Unit: seconds.
    Why: when a move that found no job at the pool is tried again.
    Chosen by: judgement."""
    block_wait_step_s: float = 0.1
    """Unit: seconds.
    Why: how often a miner that waits for a new block's job looks whether it has come.
    Chosen by: judgement."""
    least_step_s: float = 0.01
    """Unit: seconds.
    Why: no step is planned sooner, or rounding could plan it for now for ever.
    Chosen by: judgement."""
    clock_check_s: float = 60.0
    """Unit: seconds.
    Why: the wall clock may jump, so the timetable is looked at this often at least.
    Chosen by: judgement; a schedule that begins a minute late harms nobody."""
    return_patience_s: float = 30.0
    """Unit: seconds, beside the time that the returning miners need at their pace.
    Why: after it the ledger begins although not all have returned to a pool.
    Chosen by: judgement."""
    return_burst: float = 1.0
    """Unit: switches.
    Why: miners return to a pool one by one, ``health.returns_per_s`` a second.
    Chosen by: judgement; a pool that has just come back must not meet all of them at once."""
    switches_least_per_s: float = 1.0
    """Unit: switches a second.
    Why: what even the smallest fleet may do.
    Chosen by: judgement."""
    switches_headroom: float = 2.0
    """Unit: times the switches that slicing every miner needs.
    Why: nobody waits for the budget in ordinary work.
    Chosen by: judgement."""
    switch_burst_least: float = 4.0
    """Unit: switches.
    Why: what may happen at once.
    Chosen by: judgement."""
    switch_burst_part: float = 0.125
    """Unit: part of the working miners.
    Why: as above, for large fleets.
    Chosen by: judgement; with it at most ten of fifty sliced miners switch within a second
    (tests/scheduling/test_split.py)."""
    load_count_s: float = 1.0
    """Unit: seconds.
    Why: how long a count of the pools' loads is used; moves made by it are counted in. A thousand miners may look for
    a place at once.
    Chosen by: judgement; it made a burst of lost connections linear in their number."""
    load_count_each_s: float = 0.001
    """Unit: seconds for each miner of the fleet, where that is more.
    Why: a count looks at all of them; ten thousand were counted once a second while their rates were learnt.
    Chosen by: as ``placement_delay_each_s``."""
    steps_at_once: int = 32
    """Unit: steps.
    Why: how many miners take their step in one turn of the loop; those of thousands may be due at one moment.
    Chosen by: measuring 9,900 miners, of which each step finds none in the processor's caches: 80 us a step."""
    at_once: int = 512
    """Unit: miners.
    Why: how many are looked at in one turn of the loop, where all of a fleet have to be: nobody's share waits for more.
    Chosen by: judgement; one to two milliseconds."""
    sums_kept_s: float = 5.0
    """Unit: seconds.
    Why: how long a residual miner of a fleet larger than ``at_once`` goes by the sums of a check; later its step asks
    for another one. A check under load may take a second, and the miner's surplus is off by so much time at most.
    Chosen by: judgement; a sixth of the time between two checks."""
    queue_superseded: int = 8
    """Unit: entries for each live one.
    Why: beyond it the timer queue drops entries that no longer hold.
    Chosen by: judgement; bounds memory."""
    queue_least: int = 256
    """Unit: entries.
    Why: below it the timer queue is not worth clearing.
    Chosen by: judgement."""


DEFAULT_TUNING = SchedulerTuning()
"""What the proxy runs with."""
