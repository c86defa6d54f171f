"""The command line: ``manage.py`` in a checkout, ``dpmp`` where a wheel was installed."""

import gc
import os
import sys
from pathlib import Path


def main() -> int:
    """Run the command of ``sys.argv``; 1 with one clear line for an environment that cannot work."""
    gc.disable()  # modules and models stay: looking for garbage among them again and again is a fifth of a start
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from dpmp_site import bootstrap
    from proxy.net import inherited

    os.environ["DJANGO_SETTINGS_MODULE"] = "dpmp_site.settings"  # the environment configures, not another module
    if sys.argv[1:2] == ["runproxy"]:
        inherited.taken.update(inherited.take_inherited(os.environ, os.getpid()))
    bootstrap.use_uvloop()
    if bootstrap.is_demo(sys.argv):
        bootstrap.demo_data_dir()
    try:
        from dpmp_site import settings  # noqa: F401  # read here, so that a bad value is one line and no traceback

        django.setup()
        if sys.argv[1:2] != ["runproxy"]:  # which has more to load, and begins by itself
            gc.enable()
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        return _refuse(str(error))
    except OperationalError as error:
        return _refuse(f"The database cannot be used: {' '.join(str(error).split())}.")
    return 0


def installed() -> int:
    """``dpmp``: without DPMP_DATA_DIR the data is in the person's own folder, for there is no checkout."""
    shared = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    os.environ.setdefault("DPMP_DATA_DIR", str(shared / "dpmp"))
    return main()


def _refuse(reason: str) -> int:
    print(f"dpmp: {reason}", file=sys.stderr)  # noqa: T201
    return 1
