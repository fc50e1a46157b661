# One file for every image: --build-arg SERVICE=order makes the order service's, which holds that service, the kit and
# the contracts. --build-arg VERSION=0.10.0 --build-arg REVISION=$(git rev-parse HEAD) label the image. --target setup makes the image that prepares Kafka and PostgreSQL (docs/deployment.md); --target sandbox and
# --target tools make the two that only a development machine needs.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH ENV_FILE=/dev/null
RUN groupadd --system --gid 10001 mart && \
    useradd --system --uid 10001 --gid 10001 --home-dir /app --shell /usr/sbin/nologin mart
WORKDIR /app

FROM base AS builder
ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md ./
# Each image has a list of its packages, in CycloneDX format: /opt/venv/sbom.cdx.json.
RUN UV_PROJECT_ENVIRONMENT=/opt/sbom uv sync --locked --only-group sbom
# What all services share, once; the rest of each image is little.
RUN uv sync --locked --no-dev

FROM builder AS setup-dependencies
RUN /opt/sbom/bin/cyclonedx-py environment /opt/venv/bin/python -o /opt/venv/sbom.cdx.json

FROM builder AS service-dependencies
ARG SERVICE
RUN uv sync --locked --no-dev --extra "${SERVICE:?name the service: --build-arg SERVICE=order}" && \
    /opt/sbom/bin/cyclonedx-py environment /opt/venv/bin/python -o /opt/venv/sbom.cdx.json

FROM builder AS sandbox-dependencies
RUN uv sync --locked --no-dev --extra sandbox && \
    /opt/sbom/bin/cyclonedx-py environment /opt/venv/bin/python -o /opt/venv/sbom.cdx.json

FROM builder AS tools-dependencies
RUN uv sync --locked --no-dev --extra local && \
    /opt/sbom/bin/cyclonedx-py environment /opt/venv/bin/python -o /opt/venv/sbom.cdx.json

FROM base AS setup
COPY --from=setup-dependencies /opt/venv /opt/venv
COPY pyproject.toml ./
COPY contracts contracts
COPY service_kit service_kit
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="online-mart/setup" org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
ENTRYPOINT ["python", "-m", "service_kit"]

FROM base AS tools
COPY --from=tools-dependencies /opt/venv /opt/venv
COPY .env.example pyproject.toml ./
COPY contracts contracts
COPY service_kit service_kit
COPY local_stack local_stack
COPY tools tools
RUN install -d -o 10001 -g 10001 /secrets
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="online-mart/tools" org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
ENTRYPOINT ["python", "-m", "tools"]

FROM base AS sandbox
COPY --from=sandbox-dependencies /opt/venv /opt/venv
COPY sandbox sandbox
RUN install -d -o 10001 -g 10001 /data
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="online-mart/sandbox" org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
ENV SANDBOX_DATA_DIR=/data SANDBOX_GATEWAY_HOST=0.0.0.0 SANDBOX_MAILBOX_HOST=0.0.0.0 SANDBOX_SMTP_HOST=0.0.0.0
ENTRYPOINT ["python", "-m"]

FROM base AS service
ARG SERVICE
COPY --from=service-dependencies /opt/venv /opt/venv
COPY pyproject.toml ./
COPY contracts contracts
COPY service_kit service_kit
COPY ${SERVICE}_service ${SERVICE}_service
# The service may not write here: without this, every start would compile its code again.
RUN python -m compileall -q contracts service_kit ${SERVICE}_service
# The images of products, where they are in a volume: it belongs to the user that this directory belongs to.
RUN install -d -o 10001 -g 10001 /images
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="online-mart/${SERVICE}" org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
# By number, since Kubernetes cannot tell from a name that it is not root (`runAsNonRoot`).
USER 10001:10001
ENV LISTEN_HOST=0.0.0.0 PORT=8000 OPERATIONS_PORT=9000 SERVICE_PACKAGE=${SERVICE}_service
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=120s --retries=6 \
    CMD ["python", "-m", "service_kit.probe"]
# The package is in SERVICE_PACKAGE. Python is process 1 and gets the signal that asks it to stop.
CMD ["python", "-m", "service_kit", "serve"]
