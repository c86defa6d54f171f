#!/usr/bin/env bash
# Removes DPMP's service and programs. Data, backups and settings stay; the last lines say where.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

usage() {
    say "Usage: installer/uninstall.sh [--check]"
    say "  --check   say what would be done; change nothing"
}

stop_service() {
    systemctl --user disable --now "$UNIT" || true
    close_sockets
    rm -f -- "$UNIT_DIR/$UNIT"
    systemctl --user daemon-reload
}

remove_programs() {
    rm -f -- "$CURRENT" "$MANAGE" "$DPMP_HOME/.$UNIT.before"
    rm -rf -- "$VERSIONS"
}

refuse_root
parse_options "$@"
[ -e "$VERSIONS" ] || [ -e "$UNIT_DIR/$UNIT" ] || fail "DPMP is not installed in $DPMP_HOME."
need_systemd
stop_on_problems
step "stop the service and remove $UNIT_DIR/$UNIT" stop_service
step "remove the programs in $VERSIONS" remove_programs
if [ "$CHECK" = yes ]; then
    say "Nothing was changed."
    exit 0
fi
say "Your data stays in $DATA and your settings in $ENV_FILE. To delete them as well: rm -r $DATA $ENV_FILE"
say "The service may no longer need to run without login: loginctl disable-linger $(id -un)"
