# Stands in for postgres:18: the server of Debian, and an entrypoint that does what the official one does.
FROM standin/debian:forky
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-18 \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/18 \
    && chown postgres:postgres /var/lib/postgresql
ENV PATH=/usr/lib/postgresql/18/bin:$PATH PGDATA=/var/lib/postgresql/18/docker LANG=C.UTF-8
VOLUME /var/lib/postgresql
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
CMD ["postgres"]
