# Stands in for redis:8-alpine: the server of Debian, which has the user `redis` and the folder /data, too.
FROM standin/debian:forky
RUN apt-get update \
    && apt-get install --yes --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
