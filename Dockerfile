# syntax=docker/dockerfile:1
# The program alone, for a scheduler: docker build -t simurgh . &&
# docker run --rm -v "$PWD:/work" simurgh run pipelines/customer360.yaml --date 2026-03-01

FROM rust:1.95-slim-bookworm AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The caches outlive the build; the program is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin simurgh \
    && cp target/release/simurgh /usr/local/bin/simurgh

FROM debian:bookworm-slim
# Object stores are reached over TLS: the certificates of the system's authorities.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin simurgh
COPY --from=builder /usr/local/bin/simurgh /usr/local/bin/simurgh
USER 10001
WORKDIR /work
ENTRYPOINT ["simurgh"]
CMD ["--help"]
