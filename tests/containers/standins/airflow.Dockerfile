# Stands in for apache/airflow:slim-<version>-python3.11 where Docker Hub cannot be reached: Debian's Python 3.11, Airflow
# without extras in the home of the user `airflow` (50000, group 0), and an entrypoint that does what the official one does.
FROM standin/debian:bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl dumb-init libpq5 netcat-openbsd procps python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
ARG AIRFLOW_VERSION
RUN useradd --uid 50000 --gid 0 --home-dir /home/airflow --create-home --shell /bin/bash airflow \
    && ln -s /usr/bin/python3 /usr/local/bin/python \
    && ln -s /usr/bin/pip3 /usr/local/bin/pip \
    && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED \
    && mkdir -p /opt/airflow/dags /opt/airflow/logs /opt/airflow/plugins \
    && chown -R airflow:0 /opt/airflow && chmod -R g=u /opt/airflow
COPY --chmod=755 airflow-entrypoint.sh /entrypoint
USER airflow
ENV AIRFLOW_HOME=/opt/airflow AIRFLOW_VERSION=${AIRFLOW_VERSION} PATH=/home/airflow/.local/bin:$PATH PIP_USER=true \
    LANG=C.UTF-8 DUMB_INIT_SETSID=1 PS1=(airflow)
WORKDIR /opt/airflow
RUN pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}"
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint"]
CMD []
