# One image for every Airflow process and for `c360`; it holds no secret and runs as an ordinary user.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 50000 customer360
WORKDIR /opt/customer360
RUN pip install --no-cache-dir uv==0.13.9

COPY pyproject.toml uv.lock README.md ./
COPY plugins ./plugins
RUN UV_COMPILE_BYTECODE=1 uv sync --frozen --no-dev

COPY dags ./dags
COPY dbt_project ./dbt_project
COPY expectations ./expectations
RUN mkdir -p /var/lib/customer360 && chown customer360:customer360 /var/lib/customer360

ENV PATH=/opt/customer360/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    C360_HOME=/opt/customer360 \
    C360_LOCAL=/var/lib/customer360
USER customer360
