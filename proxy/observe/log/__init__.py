"""The log: writes each event that passes the filter as a line of JSON, in a thread of its own."""

# ruff: noqa: F401 (a face: each name is for whoever imports it from here)

from proxy.observe.log.library import LibraryHandler
from proxy.observe.log.lines import LogLine
from proxy.observe.log.outlets import log_files
from proxy.observe.log.redact import Redactor, redact
from proxy.observe.log.ring import RecentLines, lines
from proxy.observe.log.sink import LogSink
