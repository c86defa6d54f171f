# shellcheck shell=bash
# What install.sh, upgrade.sh and uninstall.sh share. Sourced, not run.
#
#   ~/dpmp/versions/NAME/   one folder for each installed version, with its own virtual environment
#   ~/dpmp/current          link to the version that runs
#   ~/dpmp/data/            database, secret key, logs, backups: never overwritten, never deleted
#   ~/dpmp/dpmp.env         your DPMP_* settings for the service: never overwritten
#   ~/dpmp/manage           runs manage.py of the current version with this data and these settings
#
# Environment:
#   DPMP_HOME         another folder than ~/dpmp
#   DPMP_PYTHON       another Python than python3 (3.11 or newer)
#   DPMP_WAIT_S       how long a started version may take until it listens (default 60); the old one after a failed
#                     upgrade has 120 at least
#   PIP_FIND_LINKS, PIP_NO_INDEX, ...   pip's own settings, for example for an installation without the Internet

DPMP_HOME="${DPMP_HOME:-$HOME/dpmp}"
DPMP_PYTHON="${DPMP_PYTHON:-python3}"
DPMP_WAIT_S="${DPMP_WAIT_S:-60}"
VERSIONS="$DPMP_HOME/versions"
CURRENT="$DPMP_HOME/current"
ENV_FILE="$DPMP_HOME/dpmp.env"
MANAGE="$DPMP_HOME/manage"
DATA="$DPMP_HOME/data"
if [ -r "$ENV_FILE" ] && grep -q '^DPMP_DATA_DIR=.' "$ENV_FILE"; then
    DATA="$(sed -n 's/^DPMP_DATA_DIR=//p' "$ENV_FILE" | tail -n 1 | tr -d "\"'")"
fi
UNIT=dpmp.service
SOCKETS="dpmp-stratum.socket dpmp-tls.socket dpmp-web.socket"
UNIT_DIR="${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user"
SOURCE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
CHECK=no
PROBLEMS=0

say() { printf '%s\n' "$*"; }
fail() { printf 'dpmp: %s\n' "$*" >&2; exit 1; }
problem() { printf 'dpmp: %s\n' "$*" >&2; PROBLEMS=$((PROBLEMS + 1)); }

# step TEXT COMMAND...: do it, or with --check only say so.
step() {
    local text="$1"
    shift
    if [ "$CHECK" = yes ]; then
        say "would: $text"
    else
        say "$text"
        "$@"
    fi
}

refuse_root() {
    [ "$(id -u)" -ne 0 ] || fail "Do not run this as root: DPMP runs as an ordinary user. Log in as that user, or make one."
}

need_systemd() {
    command -v systemctl >/dev/null || problem "systemctl is missing: DPMP is installed as a systemd user service."
    # Over "su" these are not set, and systemctl --user would not find the user's services.
    export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
}

need_python() {
    if ! command -v "$DPMP_PYTHON" >/dev/null; then
        problem "$DPMP_PYTHON is missing. On Debian, Raspberry Pi OS and Ubuntu: sudo apt install python3 python3-venv"
    elif ! "$DPMP_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        problem "$DPMP_PYTHON is older than Python 3.11. Name a newer one: DPMP_PYTHON=python3.12 $0"
    elif ! "$DPMP_PYTHON" -c 'import venv, ensurepip' 2>/dev/null; then
        problem "Python's venv module is missing. On Debian, Raspberry Pi OS and Ubuntu: sudo apt install python3-venv"
    fi
}

need_room() {
    local at="$DPMP_HOME" free_kib
    while [ ! -d "$at" ]; do at="$(dirname -- "$at")"; done
    [ -w "$at" ] || problem "$at cannot be written."
    free_kib="$(df -Pk -- "$at" | awk 'NR == 2 { print $4 }')"
    [ "${free_kib:-0}" -ge 409600 ] || problem "Less than 400 MB are free in $at."
}

need_source() {
    for name in manage.py requirements.txt proxy dashboard dpmp_site templates docs; do
        [ -e "$SOURCE/$name" ] || problem "$SOURCE has no $name: this is no complete checkout or release."
    done
}

source_version() {
    local version commit
    version="$(sed -n 's/^version = "\(.*\)"$/\1/p' "$SOURCE/pyproject.toml" | head -n 1)"
    commit="$(git -C "$SOURCE" rev-parse --short HEAD 2>/dev/null || true)"
    printf '%s%s' "${version:-0}" "${commit:+-$commit}"
}

# copy_source TARGET: what runs, without data, caches and virtual environments; git's own files of a checkout stay behind.
copy_source() {
    mkdir -p -- "$1"
    (cd -- "$SOURCE" && tar -cf - --exclude=./data --exclude=./.venv --exclude=./.git --exclude=__pycache__ \
        --exclude='./.*_cache' --exclude=./.hypothesis --exclude=./tests .) | (cd -- "$1" && tar -xf -)
}

make_environment() {
    "$DPMP_PYTHON" -m venv "$1/.venv"
    local extras=()
    if setting_given DPMP_DATABASE_URL; then extras+=('psycopg[binary]>=3.2,<4'); fi
    if setting_given DPMP_REDIS_URL; then extras+=('redis>=5.2,<9' 'msgspec>=0.20,<1'); fi
    "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1/requirements.txt" "${extras[@]}"
}

# setting_given NAME: whether dpmp.env sets it.
setting_given() { [ -r "$ENV_FILE" ] && grep -q "^$1=." "$ENV_FILE"; }

# new_version: makes the folder of this version and prints its path; what fails leaves no half version behind.
new_version() {
    local name final draft
    name="$(source_version)-$(date -u +%Y%m%d%H%M%S)"
    final="$VERSIONS/$name"
    draft="$VERSIONS/.draft-$$"
    rm -rf -- "$draft"
    mkdir -p -- "$VERSIONS"
    # A virtual environment knows its own path, so it is made in the final place.
    if copy_source "$draft" >&2 && mv -- "$draft" "$final" && make_environment "$final" >&2; then
        printf '%s' "$final"
    else
        rm -rf -- "$draft" "$final"
        return 1
    fi
}

# manage VERSION COMMAND...: manage.py with the data and settings of this installation.
manage() {
    local version="$1"
    shift
    (
        while IFS='=' read -r name value; do
            value="${value#[\"\']}" value="${value%[\"\']}" # as systemd reads it
            export "$name=$value"
        done < <(if [ -r "$ENV_FILE" ]; then grep -E '^DPMP_[A-Z_]+=' "$ENV_FILE"; fi)
        unset DPMP_HOME DPMP_PYTHON DPMP_WAIT_S
        export DPMP_DATA_DIR="$DATA"
        exec "$version/.venv/bin/python" "$version/manage.py" "$@"
    )
}

make_current() {
    ln -sfn -- "$1" "$CURRENT.new" && mv -Tf -- "$CURRENT.new" "$CURRENT"
}

write_unit() {
    mkdir -p -- "$UNIT_DIR"
    sed -e "s|@HOME@|$DPMP_HOME|g" -e "s|@DATA@|$DATA|g" "$SOURCE/installer/dpmp.service" >"$UNIT_DIR/.$UNIT.new"
    mv -f -- "$UNIT_DIR/.$UNIT.new" "$UNIT_DIR/$UNIT"
    systemctl --user daemon-reload
}

# close_sockets: ends and removes the socket units, where there are any.
close_sockets() {
    local socket
    for socket in $SOCKETS; do
        [ -e "$UNIT_DIR/$socket" ] || continue
        systemctl --user disable --now "$socket" || true
        rm -f -- "$UNIT_DIR/$socket"
    done
    systemctl --user daemon-reload
}

write_env() {
    [ -e "$ENV_FILE" ] && return 0
    (umask 077 && cat >"$ENV_FILE" <<'END'
# Settings of the DPMP service, one NAME=value a line. Everything else is set in the admin.
# After a change: systemctl --user restart dpmp
#
# DPMP_ALLOWED_HOSTS=dpmp.example.org
# DPMP_CSRF_TRUSTED_ORIGINS=https://dpmp.example.org
# DPMP_TRUST_PROXY=yes
END
    )
}

# write_manage: ~/dpmp/manage, so that nobody has to know where data and settings are.
write_manage() {
    {
        printf '#!/usr/bin/env bash\n# DPMP %s. Written by its installer.\nset -euo pipefail\n' \
            "manage.py with the data and settings of this installation, as in: $DPMP_HOME/manage doctor"
        printf 'ENV_FILE=%q DATA=%q\n' "$ENV_FILE" "$DATA"
        declare -f manage
        printf 'manage %q "$@"\n' "$CURRENT"
    } >"$DPMP_HOME/.manage.new"
    chmod 755 -- "$DPMP_HOME/.manage.new"
    mv -f -- "$DPMP_HOME/.manage.new" "$MANAGE"
}

# wait_until_listening VERSION SECONDS
wait_until_listening() {
    manage "$1" doctor --wait-listening "$2"
}

parse_options() {
    for option in "$@"; do
        case "$option" in
            --check) CHECK=yes ;;
            -h | --help) usage; exit 0 ;;
            *) usage >&2; fail "$option is not known." ;;
        esac
    done
}

stop_on_problems() {
    [ "$PROBLEMS" -eq 0 ] || fail "Nothing was changed."
}
