# agent_tools over stdio: not root, videos mounted read-only, memory in a volume.
#
#   docker build -t agent-tools .
#   docker run -i --rm --init --network none \
#     --mount type=bind,src=/home/me/Videos,dst=/videos,readonly --mount type=volume,src=agent-tools,dst=/memory agent-tools
#
# PyPI's torch for Linux on x86 brings gigabytes of CUDA packages. For the CPU build, give the index that PyTorch's
# install page names for "CPU": docker build --build-arg TORCH_INDEX=<that address> -t agent-tools .
# torch then comes from there, at the version that constraints.txt pins, and the rest from PyPI as always.
FROM python:3.12-slim

LABEL io.modelcontextprotocol.server.name="io.github.OWNER/agent-tools-video" \
      org.opencontainers.image.licenses="Apache-2.0"

ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /build
COPY constraints.txt ./
RUN version=$(grep '^torch==' constraints.txt) \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$version"

COPY pyproject.toml README.md LICENSE ./
COPY prompts ./prompts
COPY agent_tools ./agent_tools
ARG EXTRAS=""
RUN pip install -c constraints.txt ".${EXTRAS:+[$EXTRAS]}" && rm -rf /build/*

RUN useradd --create-home --uid 10001 viewer && install -d -o viewer -g viewer /memory /videos
USER viewer
WORKDIR /home/viewer
ENV AGENT_TOOLS_HOME=/memory AGENT_TOOLS_CACHE=/memory/cache
VOLUME /memory
ENTRYPOINT ["agent-tools"]
CMD ["serve", "--allow", "/videos"]
