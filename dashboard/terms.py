"""Terms of mining and of this program in a sentence each, for the small explanations on the pages."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from proxy.models.labels import Text

TERMS: Mapping[str, Text] = {
    "best": _("The hardest share ever found here. A block needs one as hard as the network's difficulty."),
    "confirmations": _(
        "Blocks of the chain from this one on, as your node or server says. From 100 on the reward can be spent."
    ),
    "delivered": _("The part of the work that really went to a pool, counted by its shares."),
    "difficulty": _(
        "How hard a share is to find. Twice the difficulty: half as many shares, each worth twice as much."
    ),
    "effort": _("Work since the last own block against what a block takes on average. 100 % is average luck."),
    "error": _("Shares come by luck: the true value is within ± of the shown one in 19 of 20 cases."),
    "expected": _("The best share that this much work finds with even odds."),
    "latency": _("Time from sending a share to the pool's answer. Half of the answers are faster than the median."),
    "long": _("Hash rate of the whole network over many blocks: slow, but calm."),
    "median": _("Half of the answers came faster."),
    "no_reply": _("Shares that the pool never answered, usually because the connection broke."),
    "odds": _("Average time to a block with this hash rate. Luck decides: it can be much sooner or much later."),
    "orphaned": _("Another block of the same height became part of the chain instead: this one pays nothing."),
    "p90": _("9 of 10 answers came faster."),
    "p99": _("99 of 100 answers came faster."),
    "packing": _("Whole miners work for one pool each; only the remainder alternates."),
    "ratio": _("Below 100 %: miners have left this chain lately, so that blocks are easier to find than usual."),
    "rejected": _("Part of the shares that were refused. Below 1 % is normal."),
    "short": _("Hash rate of the whole network over the last blocks: quick, but noisy."),
    "slicing": _("Each miner alternates between the pools; the time on each makes the split."),
    "stale": _("Shares for a job that was over when they came: a new block had been found meanwhile."),
    "target": _("The part of the work that a pool is to get now."),
    "weight": _("What auto-balance calculates for the chain, in percent of all work."),
    "work": _("Sum of the difficulties of all accepted shares (SumDiff): what a pool pays for."),
}
