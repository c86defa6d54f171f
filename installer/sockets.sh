#!/usr/bin/env bash
# Lets systemd keep the ports of miners and dashboard open while DPMP restarts: whoever connects meanwhile waits some
# seconds, and is not refused. Run it again after a change of a port in the admin.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

usage() {
    say "Usage: installer/sockets.sh [--check] [--remove]"
    say "  --remove  DPMP opens its ports itself again"
    say "  --check   say what would be done; change nothing"
}

# address HOST PORT: of these settings, as a socket unit wants them; nothing where the port is off.
address() {
    manage "$CURRENT" exportconfig | "$DPMP_PYTHON" -c '
import json, sys
settings = json.load(sys.stdin)["settings"]
host, port = settings[sys.argv[1]] or "0.0.0.0", settings[sys.argv[2]]
if port:
    print(f"[{host}]" if ":" in host.strip("[]") and not host.startswith("[") else host, port, sep=":")
' "$1" "$2"
}

# write_socket NAME ADDRESS: no address, no socket.
write_socket() {
    [ -n "$2" ] || return 0
    sed -e "s|@ADDRESS@|$2|g" "$SOURCE/installer/dpmp-$1.socket" >"$UNIT_DIR/dpmp-$1.socket"
    WRITTEN+=("dpmp-$1.socket")
}

open_sockets() {
    systemctl --user stop "$UNIT"
    close_sockets
    WRITTEN=()
    write_socket stratum "$STRATUM"
    write_socket tls "$TLS"
    write_socket web "$WEB"
    systemctl --user daemon-reload
    systemctl --user enable --now "${WRITTEN[@]}" || say "They could not be opened: DPMP opens its ports itself."
    systemctl --user start "$UNIT"
}

remove_sockets() {
    systemctl --user stop "$UNIT"
    close_sockets
    systemctl --user start "$UNIT"
}

refuse_root
REMOVE=no OPTIONS=()
for option in "$@"; do
    case "$option" in
        --remove) REMOVE=yes ;;
        *) OPTIONS+=("$option") ;;
    esac
done
parse_options "${OPTIONS[@]}"
[ -e "$CURRENT" ] || fail "DPMP is not installed in $DPMP_HOME. Use installer/install.sh."
need_systemd
stop_on_problems
if [ "$REMOVE" = yes ]; then
    step "restart the service without socket units" remove_sockets
else
    STRATUM="$(address stratum_host stratum_port)" || fail "The configuration cannot be read; the lines above say why."
    TLS="$(address stratum_host tls_port)"
    WEB="$(address web_host web_port)"
    step "restart the service with sockets on $STRATUM (miners)${TLS:+, $TLS (miners with TLS)} and $WEB (dashboard)" open_sockets
fi
if [ "$CHECK" = yes ]; then
    say "Nothing was changed."
    exit 0
fi
wait_until_listening "$CURRENT" "$DPMP_WAIT_S" || fail "DPMP does not listen. Look at: journalctl --user -u dpmp"
