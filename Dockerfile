# Airflow's slim image with this project and the packages of its own lock; built by docker-compose.yaml.
FROM apache/airflow:slim-3.3.2-python3.11

COPY requirements-image.txt /opt/airflow/
RUN pip install --no-cache-dir --requirement /opt/airflow/requirements-image.txt

COPY --chown=airflow:0 deploy/docker/prepare.py /opt/airflow/
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include

# Packages of plugins/ go by their own names; the connection type is found here through its entry point.
ENV PYTHONPATH=/opt/airflow/plugins:/opt/airflow
