#!/usr/bin/env bash
# Does, in the same order, what the entrypoint of Airflow's official image does and this project relies on.
set -euo pipefail
unset PIP_USER
umask 0002
tries=${CONNECTION_CHECK_MAX_COUNT:-20}
until [[ $tries -le 0 ]] || airflow db check > /tmp/db-check 2>&1; do
    tries=$((tries - 1))
    if [[ $tries -le 0 ]]; then
        cat /tmp/db-check
        exit 1
    fi
    sleep "${CONNECTION_CHECK_SLEEP_TIME:-3}"
done
if [[ -n "${_AIRFLOW_DB_MIGRATE:-}" ]]; then
    airflow db migrate || true
fi
if [[ -n "${_AIRFLOW_WWW_USER_CREATE:-}" ]]; then
    airflow users create --username "${_AIRFLOW_WWW_USER_USERNAME:-admin}" --firstname Airflow --lastname Admin \
        --email "${_AIRFLOW_WWW_USER_EMAIL:-airflowadmin@example.com}" --role "${_AIRFLOW_WWW_USER_ROLE:-Admin}" \
        --password "${_AIRFLOW_WWW_USER_PASSWORD:?}" || true
fi
case "${1:-}" in
    bash | python) exec "$@" ;;
    airflow) shift ;;
esac
exec airflow "$@"
