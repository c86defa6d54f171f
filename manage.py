#!/usr/bin/env python
"""Django's command line, with what has to happen before Django sets up."""

import sys

from dpmp_site.command import main

if __name__ == "__main__":
    sys.exit(main())
