# The image of crossrole: Node, the bundle, nft and ip, and no shell and no package manager.
#
# The base is a build argument, so that a build can be pinned by digest, and made from a mirror:
#
#   docker buildx imagetools inspect node:24.21.0-bookworm-slim        # prints Digest: sha256:…
#   docker build --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:… -t crossrole .
#
# Any image does that has Debian's apt-get, and Node 24 and npm in /usr/local.
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS bundle
WORKDIR /src
COPY package.json package-lock.json ./
# No package has to run anything to be installed.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
COPY scripts scripts
RUN npm run --silent prepack

FROM ${NODE_IMAGE} AS root
RUN apt-get update \
 && apt-get install -y --no-install-recommends nftables iproute2
COPY scripts/image-root.sh /tmp/
COPY LICENSE /tmp/
COPY --from=bundle /src/bundle /tmp/bundle
RUN sh /tmp/image-root.sh /tmp/bundle /tmp/LICENSE /image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="crossrole" \
      org.opencontainers.image.description="Cross-account AWS credentials that never go stale, for applications you cannot change" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=root /image /
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin
USER 65532:65532
# Asks for `operations: { address: "127.0.0.1:9910" }` in the configuration; else start it with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "require('node:http').get('http://127.0.0.1:9910/healthz', ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Node is the first process, and heeds signals as one. `crossrole exec` of a command that leaves orphans behind
# wants an init besides (docker run --init): Node does not collect processes that it has not started.
ENTRYPOINT ["crossrole"]
CMD ["serve"]
