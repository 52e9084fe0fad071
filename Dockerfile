# The newest Python for which every package has wheels, those that the tests need included.
FROM python:3.14-slim AS build

COPY requirements.txt requirements-mcp.txt /build/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary=:all: \
        -r /build/requirements.txt -r /build/requirements-mcp.txt

FROM python:3.14-slim

LABEL org.opencontainers.image.title="Tasks API" \
      org.opencontainers.image.description="A task backend that a Next.js front end can be pointed at." \
      org.opencontainers.image.licenses="MIT"

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1

COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . ./
# Readable for every user, whatever the umask of the clone was.
RUN chmod -R a+rX . && python -m compileall -q .

# A number, so that Kubernetes can tell that it is not root. Any other serves too: nothing is written.
USER 10001
EXPOSE 8000

# A start may wait a minute for its database.
HEALTHCHECK --start-period=90s --timeout=3s CMD ["python", "-c", \
    "import http.client, os; \
    server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=2); \
    server.request('GET', '/health'); \
    raise SystemExit(server.getresponse().status != 200)"]

# With `exec`, the signals of `docker stop` reach uvicorn, which answers what is under way.
CMD ["sh", "-c", "exec uvicorn main:app --host 0.0.0.0 --port ${PORT:-8000} --timeout-graceful-shutdown 15"]
