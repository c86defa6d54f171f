"""Every page that an administrator can open, and the widths at which it is looked at."""

PAGES = [
    "/",
    "/workers/",
    "/workers/AvalonQ/",
    "/pools/",
    "/pools/A/",
    "/schedule/",
    "/schedule/edit/",
    "/schedule/windows/1/",
    "/schedule/1/",
    "/balance/",
    "/records/",
    "/logs/",
    "/help/",
    "/help/troubleshooting/",
    "/help/log-events/",
    "/help/reverse-proxy/",
    "/settings/",
    "/start/",
    "/account/",
    "/people/",
    "/audit/",
    "/logs/events/",
]
ADMIN = [
    "/admin/",
    "/admin/proxy/pool/",
    "/admin/proxy/pool/1/change/",
    "/admin/proxy/schedule/1/change/",
    "/admin/proxy/alertrule/",
    "/admin/proxy/balancesettings/1/change/",
    "/admin/proxy/sharebucket/export/",
]
WIDTHS = (360, 768, 1440)
