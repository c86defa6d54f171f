"""The pages' addresses."""

from django.urls import path, register_converter

from dashboard.converters import WorkerConverter
from dashboard.views import charts, help, home, logs, people, plans, pools, records, settings, start, steer, workers

register_converter(WorkerConverter, "worker")

urlpatterns = [
    path("", home.home, name="home"),
    path("live/poll/", home.poll, name="poll"),
    path("theme/", home.theme, name="theme"),
    path("split/set/", steer.split_set, name="split-set"),
    path("split/auto/", steer.split_auto, name="split-auto"),
    path("split/undo/", steer.split_undo, name="split-undo"),
    path("split/reset/", steer.split_reset, name="split-reset"),
    path("workers/", workers.workers, name="workers"),
    path("workers/<worker:name>/", workers.worker, name="worker"),
    path("workers/<worker:name>/pin/", steer.pin, name="worker-pin"),
    path("workers/<worker:name>/note/", workers.note, name="worker-note"),
    path("workers/<worker:name>/forget/", workers.forget, name="worker-forget"),
    path("pools/", pools.pools, name="pools"),
    path("pools/<str:key>/", pools.pool, name="pool"),
    path("pools/<str:key>/edit/", pools.edit, name="pool-edit"),
    path("pools/<str:key>/test/", pools.test, name="pool-test"),
    path("schedule/", plans.schedule, name="schedule"),
    path("balance/", plans.balance, name="balance"),
    path("blocks/close/", records.close_blocks, name="blocks-close"),
    path("records/", records.records, name="records"),
    path("logs/", logs.logs, name="logs"),
    path("logs/download/", logs.download, name="logs-download"),
    path("logs/events/", logs.switches, name="logs-switches"),
    path("logs/events/save/", logs.save_switches, name="logs-switches-save"),
    path("help/", start.help_page, name="help"),
    path("help/monitoring/<str:name>", help.file, name="help-file"),
    path("help/<slug:slug>/", help.page, name="help-doc"),
    path("settings/", settings.in_force, name="settings"),
    path("start/", start.start, name="start"),
    path("start/test/", start.test, name="start-test"),
    path("account/", people.account, name="account"),
    path("account/sessions/end/", people.end_session, name="session-end"),
    path("people/", people.people, name="people"),
    path("people/links/<int:pk>/revoke/", people.revoke_link, name="link-revoke"),
    path("view/<str:secret>/", people.open_link, name="link-open"),
    path("audit/", people.audit, name="audit"),
    path("charts/fleet/", charts.fleet, name="chart-fleet"),
    path("charts/worker/<worker:name>/", charts.worker, name="chart-worker"),
    path("charts/pool/<str:key>/", charts.pool, name="chart-pool"),
    path("charts/network/<str:what>/", charts.network, name="chart-network"),
]
