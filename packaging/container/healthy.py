#!/usr/bin/env -S python3 -I
"""Exit code 0 while the pages answer: the container's health check. A pool that is down is no reason to restart."""

import sys
from urllib.request import ProxyHandler, build_opener

URL = "http://127.0.0.1:8855/healthz"

try:
    with build_opener(ProxyHandler({})).open(URL, timeout=5) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    sys.exit(str(error))
