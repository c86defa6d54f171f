# shellcheck shell=sh
# For other apps on this Umbrel: where miners connect, where the API is.
export APP_DPMP_STRATUM_PORT="3351"
export APP_DPMP_API="http://dpmp_server_1:8855/api/v1"
