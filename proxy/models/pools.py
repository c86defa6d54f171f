"""Wallets, pools and their addresses."""

import ipaddress
import re

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.chains.addresses import AddressError, validate_address
from proxy.config.snapshot import DIFFICULTY_PLACEHOLDER, POOL_KEY, Connections, GroupBy, PayoutAction, Tls
from proxy.models.base import ConfigModel
from proxy.models.constraints import check, within
from proxy.models.labels import WalletKind, choices_of, values_of
from proxy.types import AdminStatus, Chain

MAX_DIFFICULTY = 1e18
MOST_MINERS = 100_000
MOST_SHARED = 1_000
MAX_USER_CHARS = 200
"""Longest user name at a pool without the worker; ckpool reads lines of 1,024 bytes and other pools less."""

_ACCOUNT = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")
_PLACE = re.compile(r"\{\w*\}")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SCHEME = re.compile(r"(?P<scheme>[a-z0-9+]+)://(?P<rest>.+)", re.IGNORECASE)
_TLS_OF_SCHEME = {
    "stratum+tcp": Tls.OFF,
    "stratum": Tls.OFF,
    "tcp": Tls.OFF,
    "stratum+ssl": Tls.VERIFY,
    "stratum+tls": Tls.VERIFY,
    "stratum+tcps": Tls.VERIFY,
    "ssl": Tls.VERIFY,
    "tls": Tls.VERIFY,
}


class Wallet(ConfigModel):
    """An address, or a pool's account name, that work is credited to."""

    label = models.CharField(_("label"), max_length=80, unique=True, help_text=_("Your name for it."))
    chain = models.CharField(_("chain"), max_length=8, choices=choices_of(Chain), default=Chain.BTC.value)
    kind = models.CharField(
        _("kind"),
        max_length=8,
        choices=WalletKind,
        default=WalletKind.ADDRESS,
        help_text=_("An address is checked for typing errors. Pools with accounts want the account name instead."),
    )
    address = models.CharField(
        _("address or account"),
        max_length=128,
        help_text=_(
            "Sent to the pool before the worker's name. BCH addresses may have the prefix bitcoincash: or not."
        ),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("wallet"), _("wallets")
        ordering = ["label"]
        constraints = [
            check("wallet_address_given", ~Q(address=""), _("Give an address or an account name.")),
            check("wallet_chain_known", Q(chain__in=values_of(Chain)), _("That chain is not known.")),
            check("wallet_kind_known", Q(kind__in=WalletKind.values), _("A wallet is an address or an account name.")),
        ]

    def __str__(self) -> str:
        return self.label

    def check_rules(self) -> None:
        """The checksum must fit, and the pools that use it must be of its chain."""
        self.address = (self.address or "").strip()
        if self.kind == WalletKind.ADDRESS and self.chain != Chain.OTHER:
            self._check_address()
        elif self.address and not _ACCOUNT.fullmatch(self.address):
            raise ValidationError({"address": gettext("No spaces or control characters, please.")})
        if self.pk and self.chain != Chain.OTHER:
            wrong = self.pools.exclude(chain__in=[self.chain, Chain.OTHER]).first()
            if wrong is not None:
                raise ValidationError(
                    {
                        "chain": gettext("Pool %(key)s uses this wallet and mines %(chain)s.")
                        % {"key": wrong.key, "chain": wrong.chain}
                    }
                )

    def _check_address(self) -> None:
        try:
            parsed = validate_address(Chain(self.chain), self.address)
        except AddressError as error:
            raise ValidationError({"address": str(error)}) from error
        except ValueError as error:
            raise ValidationError({"chain": gettext("That chain is not known.")}) from error
        typed_prefix = ":" in self.address
        self.address = parsed.text if typed_prefix else parsed.text.removeprefix("bitcoincash:")


class Pool(ConfigModel):
    """One pool: the wallet that is paid there, its user name and password, and limits of difficulty."""

    key = models.CharField(
        _("key"),
        max_length=8,
        unique=True,
        help_text=_("A, B, ... or up to 8 capital letters and digits: the label in metrics, logs and pages."),
        validators=[
            RegexValidator(
                rf"\A(?:{POOL_KEY.pattern})\Z", _("A key is a capital letter, then up to 7 capital letters and digits.")
            )
        ],
    )
    name = models.CharField(_("name"), max_length=80, blank=True, help_text=_("Shown on pages; if empty, the key."))
    chain = models.CharField(_("chain"), max_length=8, choices=choices_of(Chain), default=Chain.BTC.value)
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="pools", verbose_name=_("wallet"))
    password = models.CharField(
        _("password"),
        max_length=128,
        blank=True,
        help_text=_(
            "Empty: the miner's own password is passed on (including requests such as d=1000). Most pools expect x. "
            "{difficulty} becomes what suits each miner; the part up to ; or , is left out while nothing is known. "
            "x;d={difficulty} keeps MiningCore from lowering it."
        ),
    )
    user_format = models.CharField(
        _("user name format"),
        max_length=128,
        default="{wallet}.{worker}",
        help_text=_(
            "The user name that the pool sees. {wallet} and {worker} are filled in; without {worker} the pool sees all "
            "miners as one."
        ),
    )
    min_difficulty = models.FloatField(
        _("minimum difficulty"),
        null=True,
        blank=True,
        help_text=_(
            "Miners get at least this difficulty. Shares between the pool's difficulty and this one earn no credit; "
            "empty: the pool decides."
        ),
    )
    max_difficulty = models.FloatField(
        _("maximum difficulty"),
        null=True,
        blank=True,
        help_text=_(
            "Cap for the minimum and for temporary difficulties; never applied below the pool's own difficulty."
        ),
    )
    status = models.CharField(
        _("status"), max_length=8, choices=choices_of(AdminStatus), default=AdminStatus.ENABLED.value
    )
    solo = models.BooleanField(
        _("solo pool"),
        default=False,
        help_text=_("The block reward must be paid to the wallet: each job is checked for it."),
    )
    payout_min_percent = models.FloatField(
        _("minimum payout"),
        default=95.0,
        help_text=_("Percent of the reward that must go to the wallet (solo pools keep a fee)."),
    )
    payout_action = models.CharField(
        _("if the payout is wrong"), max_length=8, choices=choices_of(PayoutAction), default=PayoutAction.ALARM.value
    )
    connections = models.CharField(
        _("connections"),
        max_length=9,
        choices=choices_of(Connections),
        default=Connections.OWN.value,
        help_text=_(
            "One for each miner suits a home: the pool sees each of them. Shared ones are for many miners: few "
            "connections, and the proxy itself finds each miner's difficulty. A change moves miners at once, and no "
            "share is lost."
        ),
    )
    own_up_to = models.PositiveIntegerField(
        _("shared above"),
        default=50,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MINERS)],
        help_text=_("Miners. Automatic: connections are shared while more miners than this are connected."),
    )
    most_miners = models.PositiveIntegerField(
        _("most miners on a connection"),
        default=250,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MINERS)],
        help_text=_(
            "A full connection opens another. A pool that leaves 4 bytes of extranonce2 has room for 256 on each."
        ),
    )
    most_connections = models.PositiveIntegerField(
        _("most shared connections"),
        default=40,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SHARED)],
        help_text=_("Miners for whom there is no place on any of them work on other pools."),
    )
    group_by = models.CharField(
        _("who shares a connection"),
        max_length=8,
        choices=choices_of(GroupBy),
        default=GroupBy.NOTHING.value,
        help_text=_(
            "All miners together are one user at the pool, without {worker}. Many pools take one worker on a "
            "connection: to see more of them there, group by account or worker."
        ),
    )
    shares_per_minute = models.FloatField(
        _("shares a minute"),
        default=15.0,
        help_text=_("On shared connections the proxy gives each miner a difficulty at which it finds about so many."),
    )
    fee_percent = models.FloatField(
        _("fee"),
        default=0.0,
        help_text=_("Percent of the income that the pool keeps. For the Money page alone; it changes no mining."),
    )
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pool"), _("pools")
        ordering = ["key"]
        constraints = [
            check("pool_key_given", ~Q(key=""), _("Give the pool a key.")),
            check("pool_chain_known", Q(chain__in=values_of(Chain)), _("That chain is not known.")),
            check("pool_status_known", Q(status__in=values_of(AdminStatus)), _("That status is not known.")),
            check(
                "pool_min_difficulty_positive",
                Q(min_difficulty__isnull=True) | Q(min_difficulty__gt=0, min_difficulty__lt=MAX_DIFFICULTY),
                _("The minimum difficulty must be a number above 0."),
            ),
            check(
                "pool_max_difficulty_positive",
                Q(max_difficulty__isnull=True) | Q(max_difficulty__gt=0, max_difficulty__lt=MAX_DIFFICULTY),
                _("The maximum difficulty must be a number above 0."),
            ),
            check(
                "pool_min_not_above_max",
                Q(min_difficulty__isnull=True)
                | Q(max_difficulty__isnull=True)
                | Q(min_difficulty__lte=F("max_difficulty")),
                _("The minimum difficulty is above the maximum."),
            ),
            within(
                "pool_payout_is_percent",
                "payout_min_percent",
                0,
                100,
                _("The minimum payout is a percentage, 0 to 100."),
            ),
            within("pool_fee_is_percent", "fee_percent", 0, 100, _("The fee is a percentage, 0 to 100.")),
            check(
                "pool_connections_known",
                Q(connections__in=values_of(Connections)),
                _("Connections are one for each miner, shared, or automatic."),
            ),
            check("pool_group_by_known", Q(group_by__in=values_of(GroupBy)), _("That way of grouping is not known.")),
            within(
                "pool_own_up_to",
                "own_up_to",
                1,
                MOST_MINERS,
                _("The number of miners is from 1 to 100,000."),
            ),
            within(
                "pool_most_miners",
                "most_miners",
                1,
                MOST_MINERS,
                _("The number of miners is from 1 to 100,000."),
            ),
            within(
                "pool_most_connections",
                "most_connections",
                1,
                MOST_SHARED,
                _("The number of shared connections is from 1 to 1,000."),
            ),
            within(
                "pool_shares_per_minute",
                "shares_per_minute",
                0.1,
                600,
                _("The aim is from 0.1 to 600 shares a minute."),
            ),
            check(
                "pool_payout_action_known", Q(payout_action__in=values_of(PayoutAction)), _("That action is not known.")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.name})" if self.name else self.key

    def check_rules(self) -> None:
        """Key, wallet and user name must fit together."""
        if not POOL_KEY.fullmatch(self.key or ""):
            raise ValidationError(
                {"key": gettext("A key is a capital letter, then up to 7 capital letters and digits.")}
            )
        self._check_password()
        wallet = Wallet.objects.filter(pk=self.wallet_id).first()
        if wallet is not None:
            self._check_wallet(wallet)

    def _check_password(self) -> None:
        places = _PLACE.findall(self.password or "")
        if any(place != DIFFICULTY_PLACEHOLDER for place in places) or len(places) > 1:
            raise ValidationError({"password": gettext("Only {difficulty} can be filled in, and only once.")})

    def _check_wallet(self, wallet: Wallet) -> None:
        if Chain.OTHER not in (wallet.chain, self.chain) and wallet.chain != self.chain:
            raise ValidationError(
                {
                    "wallet": gettext(
                        'The wallet "%(wallet)s" is a %(wallet_chain)s wallet and this pool mines %(chain)s: choose '
                        "a wallet "
                        "of the same chain."
                    )
                    % {"wallet": wallet, "wallet_chain": wallet.chain, "chain": self.chain}
                }
            )
        user = (self.user_format or "").replace("{wallet}", wallet.address).replace("{worker}", "w")
        if re.search(r"[\s{}\x00-\x1f]", user):
            raise ValidationError(
                {
                    "user_format": gettext(
                        "Only {wallet} and {worker} can be filled in; spaces and other braces are not possible."
                    )
                }
            )
        if not user or len(user) > MAX_USER_CHARS:
            raise ValidationError(
                {"user_format": gettext("The user name would be empty or longer than %d characters.") % MAX_USER_CHARS}
            )


class PoolEndpoint(ConfigModel):
    """Where a pool listens; a pool's endpoints are tried in order."""

    pool = models.ForeignKey(Pool, models.CASCADE, related_name="endpoints", verbose_name=_("pool"))
    position = models.PositiveSmallIntegerField(_("order"), default=0, help_text=_("The smallest is tried first."))
    host = models.CharField(
        _("host"),
        max_length=253,
        help_text=_("A name or an IP address. stratum+tcp://host:port may be pasted: it is taken apart."),
    )
    port = models.PositiveIntegerField(
        _("port"), default=3333, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    tls = models.CharField(_("TLS"), max_length=8, choices=choices_of(Tls), default=Tls.OFF.value)

    class Meta:
        verbose_name, verbose_name_plural = _("address of the pool"), _("addresses of the pool")
        ordering = ["position", "id"]
        constraints = [
            within("endpoint_port_range", "port", 1, 65535, _("A port is a number from 1 to 65535.")),
            check("endpoint_host_given", ~Q(host=""), _("Give a host name or an IP address.")),
            check("endpoint_tls_known", Q(tls__in=values_of(Tls)), _("TLS is off, verify or insecure.")),
            models.UniqueConstraint(
                fields=["pool", "host", "port"],
                name="endpoint_once_per_pool",
                violation_error_message=_("This address is there already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def take_url_apart(self) -> None:
        """Move scheme and port of a pasted ``stratum+tcp://host:port`` to their own fields."""
        self.host = (self.host or "").strip()
        match = _SCHEME.fullmatch(self.host)
        if match:
            scheme = match["scheme"].lower()
            if scheme in ("http", "https"):
                raise ValidationError(
                    {
                        "host": gettext("%s:// is not needed here: an address is for example pool.example.org:3333.")
                        % scheme
                    }
                )
            if scheme not in _TLS_OF_SCHEME:
                raise ValidationError({"host": gettext('"%s" is no Stratum v1 address.') % self.host})
            if _TLS_OF_SCHEME[scheme] != Tls.OFF and self.tls == Tls.OFF:
                self.tls = Tls.VERIFY
            self.host = match["rest"].split("/", 1)[0]
        name, colon, port = self.host.rpartition(":")
        if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")):
            self.host, self.port = name, int(port) if len(port) < 10 else 0
        elif colon and port and ":" not in name and not port.isdigit():
            raise ValidationError({"host": gettext('"%s" is no port: a port is a number from 1 to 65535.') % port[:20]})
        self.host = self.host.strip("[]")

    def check_rules(self) -> None:
        """The host must be a name or an address, without a scheme."""
        self.take_url_apart()
        if self.host and not is_host(self.host):
            raise ValidationError({"host": gettext('"%s" is neither a host name nor an IP address.') % self.host})
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValidationError({"port": gettext("A port is a number from 1 to 65535.")})


class PoolFact(models.Model):
    """What the proxy learned about a pool, kept for a restart; written by the proxy, so no configuration."""

    pool = models.OneToOneField(Pool, models.CASCADE, related_name="fact", verbose_name=_("pool"))
    extranonce2_size = models.PositiveSmallIntegerField(_("extranonce2 size"), help_text=_("Bytes, as last seen."))
    seen_at = models.DateTimeField(_("seen"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pool fact"), _("pool facts")
        constraints = [
            check("fact_extranonce2_size", Q(extranonce2_size__lte=64), _("An extranonce2 has 64 bytes at most."))
        ]

    def __str__(self) -> str:
        return f"{self.pool_id}: {self.extranonce2_size}"


def is_host(text: str) -> bool:
    """Whether ``text`` is a host name or an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.rstrip(".").split(".")
        numeric = labels[-1].isdigit()
        return len(text) <= 253 and not numeric and all(_HOST_LABEL.fullmatch(label) for label in labels)
    return True
