# Airflow's own image with this project in it; built by docker-compose.yaml.
FROM apache/airflow:3.3.2-python3.11

# Only what that image lacks, in the versions of the lock. Naming Airflow keeps pip from changing its version.
COPY requirements.txt /tmp/requirements.txt
RUN grep -E '^(matplotlib|orjson|phonenumbers|psycopg|psycopg-binary|pyarrow)==' /tmp/requirements.txt > /tmp/lacking.txt \
    && pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" -r /tmp/lacking.txt

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include

# Packages of plugins/ go by their own names; the connection type is found here through its entry point.
ENV PYTHONPATH=/opt/airflow/plugins:/opt/airflow
