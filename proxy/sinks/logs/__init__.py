"""The log: one JSON object a line for each event that passes the filter, written without ever holding up the loop."""

from proxy.sinks.logs.choice import effective_log_config, unknown_events
from proxy.sinks.logs.library import LibraryHandler
from proxy.sinks.logs.lines import LogLine
from proxy.sinks.logs.outlets import log_files
from proxy.sinks.logs.redact import Redactor, redact
from proxy.sinks.logs.ring import RecentLines, lines
from proxy.sinks.logs.sink import LogSink

__all__ = ["LibraryHandler", "LogLine", "LogSink", "RecentLines", "Redactor", "effective_log_config", "lines",
           "log_files", "redact", "unknown_events"]
