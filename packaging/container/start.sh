#!/bin/sh
# Starts DPMP in a container: tables as this version needs them, the first administrator, the proxy. What follows the image's name
# in "docker run" are options of runproxy.
set -eu
umask 077
dpmp migrate --no-input --verbosity 0
dpmp bootstrap
exec dpmp runproxy --log-to-stdout "$@"
