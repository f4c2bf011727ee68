# syntax=docker/dockerfile:1
# The worker's image. Pin the base by digest when you build, so that a build can be repeated:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:… --build-arg VERSION=1.2.3 .
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# The environment lies where the worker runs: scripts name their interpreter by its path.
RUN python3 -m venv /opt/worker
COPY requirements.lock ./
RUN /opt/worker/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile --no-deps \
        --only-binary :all: --require-hashes -r requirements.lock
COPY requirements-build.lock ./
RUN python3 -m venv /opt/build && \
    /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md ./
COPY worker worker
# The wheel is built without a network. pip and what tests bring along stay behind.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w dist . && \
    /opt/worker/bin/pip install --no-cache-dir --no-index --no-compile --no-deps dist/*.whl && \
    /opt/worker/bin/python -m pip uninstall -qy pip setuptools && \
    find /opt/worker -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} + && \
    /opt/worker/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/worker/lib

FROM ${PYTHON_IMAGE}
# GDAL in fiona needs libexpat, schedules the time zones; tini reaps what the worker's children leave and passes signals on.
# hadolint ignore=DL3008
RUN apt-get update -q && \
    apt-get install -qy --no-install-recommends libexpat1 tini tzdata && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 10001 worker && \
    useradd --system --uid 10001 --gid worker --home-dir /nonexistent --shell /usr/sbin/nologin worker
COPY --from=build /opt/worker /opt/worker
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="NRF impact assessment worker" \
      org.opencontainers.image.description="Computes the environmental impact of housing developments from messages on SQS" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH="/opt/worker/bin:${PATH}" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SERVICE_VERSION="${VERSION}"
# Nothing is written but temporary files: /tmp may be a volume of a read-only container. Declared
# here, since Fargate gives a volume the owner and mode that its folder has in the image.
VOLUME ["/tmp"]
USER 10001:10001
WORKDIR /tmp
EXPOSE 8085
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["nrf-worker", "health"]
ENTRYPOINT ["tini", "--", "nrf-worker"]
CMD ["run"]
