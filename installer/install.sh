#!/usr/bin/env bash
# Installs DPMP for the user who runs it: into ~/dpmp, as a systemd user service. Existing data is never touched.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

usage() {
    say "Usage: installer/install.sh [--check] [--ports=MINERS,DASHBOARD,METRICS]"
    say "  --check   look whether it can be installed and say what would be done; change nothing"
    say "  --ports   other ports than 3351,8855,9210; they can be changed later in the admin"
}

MINERS=3351 DASHBOARD=8855 METRICS=9210 PORTS_GIVEN=no

take_ports() {
    [[ "$1" =~ ^([0-9]+),([0-9]+),([0-9]+)$ ]] || fail "--ports wants three numbers, as in --ports=3352,8856,9211"
    MINERS="${BASH_REMATCH[1]}" DASHBOARD="${BASH_REMATCH[2]}" METRICS="${BASH_REMATCH[3]}" PORTS_GIVEN=yes
}

set_ports() {
    local file="$DPMP_HOME/.ports-$$.json"
    printf '{"format": "dpmp-config", "format_version": 1, "settings": {"stratum_port": %s, "web_port": %s, "metrics_port": %s}}\n' \
        "$MINERS" "$DASHBOARD" "$METRICS" >"$file"
    if ! manage "$1" importconfig "$file"; then
        rm -f -- "$file"
        fail "These ports cannot be used."
    fi
    rm -f -- "$file"
}

need_ports() {
    local port
    # Data of an earlier installation may hold other ports: then the service says what is wrong when it starts.
    if [ -e "$DATA/dpmp.sqlite3" ] && [ "$PORTS_GIVEN" = no ]; then return; fi
    for port in "$MINERS" "$DASHBOARD" "$METRICS"; do
        if port_taken "$port"; then
            problem "Port $port is taken by another program. Find it with: ss -ltnp 'sport = :$port'"
            [ -z "$V2_UNITS" ] || say "  DPMP v2 is installed here. Stop it first: systemctl --user disable --now $V2_UNITS"
        fi
    done
}

port_taken() {
    "$DPMP_PYTHON" - "$1" <<'END'
import socket, sys
with socket.socket() as trial:
    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        trial.bind(("0.0.0.0", int(sys.argv[1])))
    except OSError:
        sys.exit(0)
sys.exit(1)
END
}

v2_units() {
    local unit
    for unit in dpmpv2 dpmpv2-nicegui dpmpv2-gui; do
        if [ -f "$UNIT_DIR/$unit.service" ]; then printf '%s ' "$unit"; fi
    done
}

v2_config() {
    local path
    for path in "${DPMP_CONFIG:-}" "$HOME/dpmp_runtime/dpmp/config_v2.json" "$HOME/dpmp/dpmp/config_v2.json" \
        "$HOME/dpmpv2/dpmp/config_v2.json" "$HOME/dpmp/config_v2.json"; do
        if [ -n "$path" ] && [ -f "$path" ]; then
            printf '%s' "$path"
            return
        fi
    done
}

offer_import() {
    local version="$1" config="$2" answer=""
    say
    say "The configuration of a DPMP v2 was found: $config"
    if manage "$version" importconfig "$config" --check; then
        if [ -t 0 ]; then read -r -p "Import it? [y/N] " answer; fi
        case "$answer" in
            y | Y | yes) manage "$version" importconfig "$config" ;;
            *) say "Not imported. You can do it later: $MANAGE importconfig $config" ;;
        esac
    else
        say "It cannot be imported as it is; the lines above say why. DPMP is installed without it."
    fi
}

start_service() {
    loginctl enable-linger "$(id -un)" || say "Linger could not be switched on: DPMP starts when you log in. An administrator can run: loginctl enable-linger $(id -un)"
    systemctl --user enable "$UNIT"
    systemctl --user restart "$UNIT"
}

refuse_root
OPTIONS=()
for option in "$@"; do
    case "$option" in
        --ports=*) take_ports "${option#--ports=}" ;;
        *) OPTIONS+=("$option") ;;
    esac
done
parse_options "${OPTIONS[@]}"
V2_UNITS="$(v2_units)"
[ ! -e "$CURRENT" ] || fail "DPMP is installed in $DPMP_HOME already. Use installer/upgrade.sh."
need_source
need_systemd
need_python
need_room
if command -v "$DPMP_PYTHON" >/dev/null; then need_ports; fi
stop_on_problems

say "DPMP $(source_version) from $SOURCE"
V2_CONFIG="$(v2_config)"
if [ "$CHECK" = yes ]; then
    say "would: install into $VERSIONS, with a virtual environment of its own"
    if [ -e "$DATA/dpmp.sqlite3" ]; then say "would: keep the data in $DATA, back it up and bring it up to date"; else say "would: make a new database in $DATA"; fi
    [ -z "$V2_CONFIG" ] || say "would: offer to import $V2_CONFIG"
    say "would: write $UNIT_DIR/$UNIT, start it, and keep it running without login (linger)"
    say "Nothing was changed."
    exit 0
fi

mkdir -p -- "$DPMP_HOME"
say "Installing; on a small computer this takes some minutes."
VERSION="$(new_version)" || fail "It could not be installed; the lines above say why. Nothing else was changed."
[ -d "$DATA" ] || mkdir -m 700 -- "$DATA"
write_env
if [ -e "$DATA/dpmp.sqlite3" ]; then
    say "Backing up the existing data: $(manage "$VERSION" backup)"
fi
manage "$VERSION" migrate --verbosity 0
manage "$VERSION" bootstrap
[ "$PORTS_GIVEN" = no ] || set_ports "$VERSION"
[ -z "$V2_CONFIG" ] || offer_import "$VERSION" "$V2_CONFIG"
make_current "$VERSION"
write_manage
write_unit
start_service
if wait_until_listening "$VERSION" "$DPMP_WAIT_S"; then
    say
    say "Dashboard:  http://$(hostname):$DASHBOARD/"
    say "Miners:     stratum+tcp://$(hostname):$MINERS"
    say "Service:    systemctl --user status dpmp"
    say "Log:        journalctl --user -u dpmp -f"
    say "Commands:   $MANAGE doctor, $MANAGE backup, ..."
else
    fail "DPMP is installed, but does not listen yet. Look at: journalctl --user -u dpmp, and: $MANAGE doctor"
fi
