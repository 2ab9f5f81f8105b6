# Skyrail's images, from one Debian: `skyrail` (every part of Airflow), `mlflow`, and `store` (PostgreSQL and Valkey for
# evaluation installs). docs/image.md describes them; `make image` builds them, with BuildKit or the classic builder.
ARG BASE=debian:trixie-slim

# -- What all images share ---------------------------------------------------------------------------------------------
FROM $BASE AS debian
# tini is process 1: it passes signals on and collects children that their parents left behind.
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends ca-certificates tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
# Any user works, as long as its group is 0: OpenShift, for one, gives each namespace users of its own.
# Both folders are for volumes: what is kept, and secrets as files.
RUN echo "skyrail:x:50000:0::/opt/airflow:/usr/sbin/nologin" >> /etc/passwd \
  && mkdir -p /var/lib/skyrail /etc/skyrail && chmod 0770 /var/lib/skyrail /etc/skyrail \
  && chown 50000:0 /var/lib/skyrail /etc/skyrail

FROM debian AS python
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends python3 \
  && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

FROM python AS skyrail-debian
# git and ssh are for DAGs from a git address, and for the state of the code in a run's version.
ARG DEBIAN_EXTRAS=""
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends git openssh-client $DEBIAN_EXTRAS \
  && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
  && mkdir -p /opt/airflow && chmod 0770 /opt/airflow && chown 50000:0 /opt/airflow

FROM debian AS store-debian
# PostgreSQL's initdb insists on a name for its user; nss_wrapper gives one to users that have none.
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends libnss-wrapper pgbouncer postgresql-17 valkey-server \
  && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /var/lib/postgresql /etc/postgresql /etc/pgbouncer \
    /var/lib/valkey /etc/valkey /etc/ssl/private /etc/ssl/certs/ssl-cert-snakeoil.pem

# -- Building: nothing of these stages stays but what is copied out of them --------------------------------------------
FROM python AS builder
# Certificates (PEM) that the package index needs beyond Debian's, such as a company's.
ARG EXTRA_CA=""
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
  UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN test -z "$EXTRA_CA" || { echo "$EXTRA_CA" > /usr/local/share/ca-certificates/extra.crt && update-ca-certificates; }
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends binutils python3-venv
WORKDIR /build

FROM builder AS tools
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
COPY pyproject.toml uv.lock image/uv.py ./
# uv comes by pip, in the version and with the hashes of the lock; all else by uv.
RUN python3 -m venv /tools && python3 uv.py uv.lock > uv.txt \
  && /tools/bin/pip install --quiet --no-cache-dir --require-hashes --requirement uv.txt \
  && /tools/bin/uv export --quiet --frozen --only-group image --output-file tools.txt \
  && /tools/bin/uv pip install --python /tools --require-hashes --requirement tools.txt
# CORE is what the image is for; EXTRAS are more of the package's optional dependencies, such as "examples gcs".
ARG CORE="celery kubernetes git s3"
ARG EXTRAS=""
RUN mkdir /requirements && set -- \
  && for extra in $CORE $EXTRAS; do set -- "$@" --extra "$extra"; done \
  && /tools/bin/uv export --quiet --frozen --no-dev --no-emit-project --no-header --output-file /requirements/skyrail.txt "$@" \
  && /tools/bin/uv export --quiet --frozen --only-group mlflow-server --no-header --output-file /requirements/mlflow.txt

FROM tools AS wheel
COPY LICENSE README.md ./
COPY config config
COPY helm helm
COPY plugins plugins
RUN /tools/bin/uv build --quiet --wheel --no-build-isolation --python /tools --out-dir /wheel

# These two know nothing of the stages above but uv and a list: only when that changes are packages installed again.
FROM builder AS skyrail-packages
ARG UV_DEFAULT_INDEX
COPY --from=tools /tools/bin/uv /usr/local/bin/uv
COPY --from=tools /requirements/skyrail.txt ./
COPY image/trim.sh ./
RUN uv venv --quiet --python /usr/bin/python3 /opt/skyrail \
  && uv pip install --python /opt/skyrail --compile-bytecode --require-hashes -r skyrail.txt && sh trim.sh /opt/skyrail

FROM builder AS mlflow-packages
ARG UV_DEFAULT_INDEX
COPY --from=tools /tools/bin/uv /usr/local/bin/uv
COPY --from=tools /requirements/mlflow.txt ./
COPY image/trim.sh ./
RUN uv venv --quiet --python /usr/bin/python3 /opt/skyrail \
  && uv pip install --python /opt/skyrail --compile-bytecode --require-hashes -r mlflow.txt && sh trim.sh /opt/skyrail

FROM skyrail-packages AS skyrail-package
COPY --from=skyrail-debian /var/lib/dpkg/status debian
COPY image/bom.py ./
COPY --from=tools /tools /tools
COPY --from=wheel /wheel /wheel
# Twice: as the few files to add to an image, and whole, for the list of what that image has.
RUN uv pip install --python /opt/skyrail --compile-bytecode --no-deps --prefix /package/opt/skyrail /wheel/*.whl \
  && rm -f /package/opt/skyrail/.lock \
  && uv pip install --python /opt/skyrail --no-deps /wheel/*.whl \
  && /tools/bin/python bom.py debian /package/usr/share/sbom/skyrail.cdx.json /opt/skyrail

FROM mlflow-packages AS mlflow-package
COPY --from=python /var/lib/dpkg/status debian
COPY image/bom.py ./
COPY --from=tools /tools /tools
COPY --from=wheel /wheel /wheel
RUN uv pip install --python /opt/skyrail --compile-bytecode --no-deps --prefix /package/opt/skyrail /wheel/*.whl \
  && rm -f /package/opt/skyrail/.lock \
  && uv pip install --python /opt/skyrail --no-deps /wheel/*.whl \
  && /tools/bin/python bom.py debian /package/usr/share/sbom/skyrail.cdx.json /opt/skyrail

FROM tools AS store-package
COPY --from=store-debian /var/lib/dpkg/status debian
COPY image/bom.py ./
RUN /tools/bin/python bom.py debian /package/usr/share/sbom/skyrail.cdx.json

# -- The images --------------------------------------------------------------------------------------------------------
FROM store-debian AS store
COPY --from=store-package /package /
COPY image/store/ /usr/local/bin/
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/sbin:/usr/bin:/bin HOME=/tmp
WORKDIR /var/lib/skyrail
USER 50000:0
ENTRYPOINT ["/usr/bin/tini", "-g", "--"]
CMD ["skyrail-postgres"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["skyrail-store-alive"]
EXPOSE 5432 6379
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Skyrail store" \
  org.opencontainers.image.description="PostgreSQL and Valkey from Debian, for evaluation installs of Skyrail" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION"

FROM python AS mlflow
COPY --from=mlflow-packages /opt/skyrail /opt/skyrail
COPY --from=mlflow-package /package /
ENV PATH=/opt/skyrail/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=skyrail PYTHONUNBUFFERED=1 \
  MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
WORKDIR /tmp
USER 50000:0
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["python", "-m", "skyrail.operations.mlflow_server"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["python", "-m", "skyrail.operations.alive"]
EXPOSE 5000
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Skyrail MLflow" \
  org.opencontainers.image.description="The MLflow server of Skyrail: runs, models and verdicts" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION"

FROM skyrail-debian AS skyrail
COPY --from=skyrail-packages /opt/skyrail /opt/skyrail
COPY dags /opt/skyrail/dags
COPY config /opt/skyrail/config
COPY --from=skyrail-package /package /
# All that is written goes to Airflow's home and /tmp, which may be empty volumes: nothing that is needed lies there.
ENV PATH=/opt/skyrail/bin:/usr/local/bin:/usr/bin:/bin HOME=/opt/airflow USER=skyrail PYTHONUNBUFFERED=1 \
  AIRFLOW_HOME=/opt/airflow AIRFLOW_CONFIG=/opt/skyrail/config/airflow.cfg SKYRAIL_CONFIG=/opt/skyrail/config \
  AIRFLOW__CORE__DAGS_FOLDER=/opt/skyrail/dags UV_PYTHON_DOWNLOADS=never MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
WORKDIR /opt/airflow
USER 50000:0
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["airflow", "api-server"]
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s CMD ["python", "-m", "skyrail.operations.alive"]
EXPOSE 8080
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Skyrail" \
  org.opencontainers.image.description="Apache Airflow 3.3 on rails for data-science teams: every part of Airflow" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION"
