FROM python:3.13-slim AS builder
WORKDIR /app
COPY requirements.lock .
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
        --no-deps --require-hashes --requirement requirements.lock


FROM python:3.13-slim
# The key directory belongs to the program, and so does a new volume that is mounted there.
RUN groupadd --gid 10001 noteledger \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin noteledger \
    && install --directory --owner=noteledger --group=noteledger --mode=0700 /var/lib/noteledger \
    && ln -s /app/noteledger /usr/local/bin/noteledger
WORKDIR /app
# The same path as in the builder: an environment knows its place.
COPY --from=builder /app/.venv .venv
# .dockerignore lets in what runs, and nothing else. It belongs to root: the program cannot change itself.
COPY . .
RUN python -m compileall -q api domain handlers ledger projections runtime
ENV PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/app/.venv/bin/python", "-I", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["noteledger"]
CMD ["serve", "--host", "0.0.0.0"]
