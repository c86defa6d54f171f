#!/usr/bin/env bash
# Upgrades DPMP to the version this script belongs to. Data is backed up first; if the new version does not listen, the
# old one and its data come back.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

KEEP=3 # versions beside the one that runs

usage() {
    say "Usage: installer/upgrade.sh [--check]"
    say "  --check   look whether it can be upgraded and say what would be done; change nothing"
}

# roll_back OLD BACKUP WHY: the old version, and the data as it was when the old version stopped.
roll_back() {
    trap '' INT TERM HUP # what is half done is worse than a moment more
    say "$3"
    say "Going back to $(basename -- "$1")."
    systemctl --user stop "$UNIT" || true
    if [ -n "$2" ]; then
        # By the old version: the new one may be too broken for it.
        manage "$1" restore "$2" --yes || say "The data could not be put back. The backup is $2."
    fi
    make_current "$1"
    restore_unit
    systemctl --user restart "$UNIT" || true
    rm -rf -- "$NEW"
    # It did listen before: whoever gives a new version little time does not mean this one.
    if wait_until_listening "$1" "$((DPMP_WAIT_S > 120 ? DPMP_WAIT_S : 120))"; then
        fail "The upgrade failed; the version of before runs again, with its data."
    fi
    fail "The upgrade failed, and the version of before does not listen either. Look at: journalctl --user -u dpmp"
}

save_unit() { if [ -e "$UNIT_DIR/$UNIT" ]; then cp -p -- "$UNIT_DIR/$UNIT" "$DPMP_HOME/.$UNIT.before"; fi; }

restore_unit() {
    if [ -e "$DPMP_HOME/.$UNIT.before" ]; then mv -f -- "$DPMP_HOME/.$UNIT.before" "$UNIT_DIR/$UNIT"; fi
    systemctl --user daemon-reload
}

remove_old_versions() {
    local version keep="$KEEP"
    while IFS= read -r version; do
        if [ "$version" -ef "$CURRENT" ]; then continue; fi
        if [ "$keep" -gt 0 ]; then
            keep=$((keep - 1))
            continue
        fi
        rm -rf -- "$version"
    done < <(find "$VERSIONS" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -printf '%T@ %p\n' | sort -rn | cut -d ' ' -f 2-)
}

refuse_root
parse_options "$@"
[ -e "$CURRENT" ] || fail "DPMP is not installed in $DPMP_HOME. Use installer/install.sh."
OLD="$(readlink -f -- "$CURRENT")"
need_source
need_systemd
need_python
need_room
stop_on_problems

say "DPMP $(source_version) from $SOURCE; running now: $(basename -- "$OLD")"
if [ "$CHECK" = yes ]; then
    say "would: install into $VERSIONS, with a virtual environment of its own, while the old version runs"
    if setting_given DPMP_DATABASE_URL; then say "would: let its miners go to other nodes, if some work (manage drain)"; fi
    say "would: stop the service, back up the data in $DATA, bring it up to date, start the new version"
    say "would: go back to $(basename -- "$OLD") and its data if the new version does not listen within $DPMP_WAIT_S seconds"
    say "Nothing was changed."
    exit 0
fi

say "Installing beside the running version; on a small computer this takes some minutes."
NEW="$(new_version)" || fail "It could not be installed; the lines above say why. The old version goes on."
save_unit
BACKUP=""
# From here on the miners wait: an end of this script, for example of its SSH session, must not leave them without DPMP.
trap 'roll_back "$OLD" "$BACKUP" "Interrupted."' INT TERM
trap 'exec >>"$DPMP_HOME/upgrade.log" 2>&1; roll_back "$OLD" "$BACKUP" "The terminal went away."' HUP
if setting_given DPMP_DATABASE_URL; then
    manage "$OLD" drain --wait || say "So its miners are disconnected all at once, and come back by themselves."
fi
say "Stopping the service."
systemctl --user stop "$UNIT"
if [ -e "$DATA/dpmp.sqlite3" ]; then
    BACKUP="$(manage "$OLD" backup)" || roll_back "$OLD" "" "The data could not be backed up."
    say "Backup: $BACKUP"
else
    say "No SQLite database in $DATA: another database is not backed up here."
fi
manage "$NEW" migrate --verbosity 0 || roll_back "$OLD" "$BACKUP" "The data could not be brought up to date."
make_current "$NEW"
write_unit || roll_back "$OLD" "$BACKUP" "The service could not be written."
systemctl --user restart "$UNIT" || roll_back "$OLD" "$BACKUP" "The new version could not be started."
wait_until_listening "$NEW" "$DPMP_WAIT_S" || roll_back "$OLD" "$BACKUP" "The new version does not listen."
trap - INT TERM HUP
write_manage
rm -f -- "$DPMP_HOME/.$UNIT.before"
remove_old_versions
say "DPMP $(basename -- "$NEW") runs."
