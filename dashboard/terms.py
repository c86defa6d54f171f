"""Terms of mining and of this program in a sentence each, for the small explanations on the pages."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from proxy.models.labels import Text

TERMS: Mapping[str, Text] = {
    "accepted": _("Shares that the pool took. It pays by these."),
    "apart": _(
        "Miners that connected with an empty extranonce1 before connections were shared. "
        "Each shares one when it connects anew, at the latest after a restart."
    ),
    "as_of": _("When these figures were taken."),
    "asked_for": _("The difficulty that the miner itself asked for."),
    "assigned": _("The difficulty that the share had to reach, not the one it reached."),
    "automatic": _(
        "One or two miners alternate between the pools; of three or more, whole miners go to one pool each."
    ),
    "best": _("The hardest share ever found here. A block needs one as hard as the network's difficulty."),
    "best_of_day": _("The hardest share of the last 24 hours. A block needs one as hard as the network's difficulty."),
    "block_delay": _("How long after the first pool it gives out work for a new block: half of the times faster."),
    "block_first": _("How long after the first pool of this chain it gave out work for the newest block."),
    "block_seen": _("When the pool last gave out work for a new block. After it: how much later than the first pool."),
    "block_windows": _("Over how many blocks the short and the long hash rate of a network are measured."),
    "chance": _("How likely at least one block is in this time, with this hash rate."),
    "confirmations": _(
        "Blocks of the chain from this one on, as your node or server says. From 100 on the reward can be spent."
    ),
    "control": _("What decides: a pin first, then the slider or auto-balance switched on by hand, then the schedule."),
    "cost": _("Work time that a miner loses with each change of the pool, and the margin of error."),
    "cost_expected": _("Time that the miner needs for a share anyway."),
    "cost_measured": _("Time from the change of the pool to the first accepted share."),
    "credited": _("Sum of the difficulties of the shares that the pool accepted (SumDiff): what it pays by."),
    "day_line": _("Its hash rate over the last 24 hours."),
    "delivered": _("The part of the work that really went to a pool, counted by its shares."),
    "difficulty": _(
        "How hard a share is to find. Twice the difficulty: half as many shares, each worth twice as much."
    ),
    "effort": _("Work since the last own block against what a block takes on average. 100 % is average luck."),
    "error": _("Shares come by luck: the true value is within ± of the shown one in 19 of 20 cases."),
    "expected": _("The best share that this much work finds with even odds."),
    "extranonce": _("The part of a job that a miner varies by itself, in bytes (B). Each miner has its own range."),
    "fleet_part": _("Its part of all work of the last hour."),
    "joules": _("Energy for a million million hashes, by the miner's own figures. Less is better."),
    "joules_accepted": _("Energy for a million million hashes that pools accepted in the last hour."),
    "health": _("Whether it is connected, has work, and finds as many good shares as usual."),
    "height": _("The number of the block in its chain."),
    "job_gap": _("How long the pool usually waits before it gives out new work."),
    "jobs": _("Pieces of work that the pool gave out: one with each new block, and some in between."),
    "latency": _("Time from sending a share to the pool's answer. Half of the answers are faster than the median."),
    "long": _("Hash rate of the whole network over many blocks: slow, but calm."),
    "median": _("Half of the answers came faster."),
    "mode": _("How the pools are chosen: fixed parts, the first one that is up, or auto-balance."),
    "money_day": _("Average income of a day at this hash rate, difficulty and price. What comes is decided by luck."),
    "money_interval": _(
        "19 of 20 days lie between these. On a solo pool by the number of blocks; else by what is known of the rate."
    ),
    "network_difficulty": _("How hard a share must be to be a block of this chain."),
    "no_reply": _("Shares that the pool never answered, usually because the connection broke."),
    "odds": _("Average time to a block with this hash rate. Luck decides: it can be much sooner or much later."),
    "orphaned": _("Another block of the same height became part of the chain instead: this one pays nothing."),
    "p90": _("9 of 10 answers came faster."),
    "p99": _("99 of 100 answers came faster."),
    "packing": _("Whole miners work for one pool each; only the remainder alternates."),
    "payout": _("The part of a block's reward that goes to your wallet, as the pool's jobs say."),
    "payout_verdict": _("Whether the pool's jobs pay your wallet."),
    "pool_connections": _("Open connections between this proxy and the pool."),
    "pool_rate": _("Hash rate of the miners that work there at this moment."),
    "priority": _("Where two schedules hold at the same time, the one with the larger number wins."),
    "proved": _("Sum of the difficulties at which the miners worked. The hash rate is calculated from it."),
    "rate_1h": _("Hash rate of the last hour: calmer than that of 5 minutes."),
    "rate_24h": _("Hash rate of the last 24 hours: the steady one, to be compared with what the pool shows."),
    "rate_5m": _("Hash rate of the last 5 minutes, calculated from the shares: quick, but it jumps."),
    "ratio": _("Below 100 %: miners have left this chain lately, so that blocks are easier to find than usual."),
    "pool_fee": _("The part of the income that the pool keeps, as it stands in the settings of this page."),
    "rejected": _("Part of the shares that were refused. Below 1 % is normal."),
    "seen": _("When it was last connected."),
    "share_difficulty": _("How hard the share really was. One as hard as the network's difficulty is a block."),
    "shares": _(
        "Good shares, also those too easy for the pool. Their number depends on the difficulty: "
        "compare hash rates instead."
    ),
    "shares_a_minute": _("Shares that it finds in a minute. On shared connections its difficulty follows the aim."),
    "shares_per_s": _("Shares in a second. Their number depends on the difficulty: compare hash rates instead."),
    "shared_connections": _("Connections to the pool that several miners use together."),
    "short": _("Hash rate of the whole network over the last blocks: quick, but noisy."),
    "slicing": _("Each miner alternates between the pools; the time on each makes the split."),
    "stale": _("Shares for a job that was over when they came: a new block had been found meanwhile."),
    "stays": _("How long it worked for each pool since the proxy started."),
    "switches": _("How often it went from one pool to another since the proxy started."),
    "switches_measured": _("How many changes of the pool were measured."),
    "target": _("The part of the work that a pool is to get now."),
    "verdict": _("What the pool said to the block, and what became of it in the chain."),
    "version_rolling": _("The bits of a block's version that the miner may vary; newer miners use them."),
    "waiting_for_a_place": _(
        "Miners for whom no shared connection of this pool has a place. They work on other pools, or wait."
    ),
    "weight": _("What auto-balance calculates for the chain, in percent of all work."),
    "windows": _("The times of the week at which the schedule holds."),
    "work_only": _("On shared connections: too easy for the pool, so not sent to it. Part of the work."),
    "worker_connections": _("Open connections under this name. More than one: several miners use it."),
    "your_rate": _("The part of your 24-hour hash rate that this pool is to get."),
}
