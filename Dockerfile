# syntax=docker/dockerfile:1
# DPMP in a container: docker build -t dpmp:4.0.0 .   For both kinds of machines:
# docker buildx build --platform linux/amd64,linux/arm64 -t dpmp:4.0.0 .   More in docs/containers.md.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python3 -m venv /opt/dpmp
COPY requirements.lock ./
RUN /opt/dpmp/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: -r requirements.lock
# For the farm: --build-arg EXTRAS="psycopg[binary]>=3.2,<4 redis>=5.2,<9 msgspec>=0.20,<1" (PostgreSQL, several nodes).
ARG EXTRAS=""
RUN set -f; if [ -n "$EXTRAS" ]; then /opt/dpmp/bin/pip install --no-cache-dir $EXTRAS; fi
COPY pyproject.toml setup.py requirements.txt README.md LICENSE ./
COPY dpmp_site ./dpmp_site
COPY proxy ./proxy
COPY dashboard ./dashboard
COPY templates ./templates
COPY docs ./docs
RUN /opt/dpmp/bin/pip install --no-cache-dir --no-deps . && /opt/dpmp/bin/python -m compileall -q /opt/dpmp/lib

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin dpmp \
    && install -d -o dpmp -g dpmp -m 0700 /data
COPY --from=build /opt/dpmp /opt/dpmp
COPY --chmod=0755 packaging/container/start.sh /opt/dpmp/bin/dpmp-start
COPY --chmod=0755 packaging/container/healthy.py /opt/dpmp/bin/dpmp-healthy
ENV PATH=/opt/dpmp/bin:$PATH \
    HOME=/data \
    DPMP_DATA_DIR=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
# Miners, pages, metrics (from other machines only where the settings or --metrics say so).
EXPOSE 3351 8855 9210
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 CMD ["dpmp-healthy"]
ENTRYPOINT ["dpmp-start"]
