# The service alone: production dependencies, no shell tools needed at run time, not root.
# Build:  docker build -t chatkit-mint --build-arg REVISION="$(git rev-parse HEAD)" .
# Run:    docker run --read-only --tmpfs /tmp --stop-timeout 30 -v chatkit-mint-data:/data -p 8787:8787 \
#           -v "$PWD/config/chatkit-mint.yaml:/app/config/chatkit-mint.yaml:ro" \
#           -e OPENAI_API_KEY -e PUBLIC_URL=https://chat.example.com chatkit-mint
# Ask:    docker exec NAME chatkit-mint doctor
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The service and its commands with the packages they use, in few files: a start from hundreds takes some 70 % longer.
FROM node:26-slim AS bundle
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY src ./src
RUN node src/commands/bundle.ts

FROM node:26-slim
# Metrics listen on all addresses, since nothing outside the container reaches its loopback. Publish their port (9091) to
# Prometheus alone.
ENV NODE_ENV=production \
    STORE_URL=sqlite:/data/chatkit-mint.db \
    METRICS_HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY config ./config
# .dockerignore leaves out what is for development only: src/embedded and the commands that use it.
COPY src ./src
COPY --from=bundle /app/dist ./dist
# Compiled once here: at run time the file system may be read-only, and the start is slower without. The service itself
# ends with 78, because there is no config.
RUN node --import ./src/check-node.js --input-type=module --eval \
      "import { globSync } from 'node:fs'; \
       for (const file of globSync('dist/*/*.js')) \
         if (!/(?:main|chatkit-mint|check-config).js$/.test(file)) await import('./' + file)" \
    && (CONFIG_FILE=none node --import ./src/check-node.js dist/service/main.js; test $? = 78)
# The command line, for `docker exec`; and the only place that is written to. A new volume takes over its owner.
RUN ln -s /app/dist/commands/chatkit-mint.js /usr/local/bin/chatkit-mint \
    && install -d -o node -g node -m 0700 /data
VOLUME /data
USER node
EXPOSE 8787 9091
# Liveness, not readiness: a store or identity provider that is down is no reason to restart.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8787}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Not through npm: signals must reach the service itself. With a young generation of 4 MB from the start, V8 needs no
# full collection while it starts.
CMD ["node", "--min-semi-space-size=4", "--import", "./src/check-node.js", "dist/service/main.js"]
# Last: a new revision rebuilds no other layer.
ARG REVISION=unknown
LABEL org.opencontainers.image.title="chatkit-mint" \
      org.opencontainers.image.description="Hands an app's users ChatKit client secrets, by their JWT." \
      org.opencontainers.image.base.name="docker.io/library/node:26-slim" \
      org.opencontainers.image.revision="$REVISION"
