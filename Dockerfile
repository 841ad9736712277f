# A server of one store for other programs, on the CPU: `docker compose up`, or see docs/docker.md.
#
# PyTorch from the usual package index is built for CUDA on x86-64 and brings some gigabytes of NVIDIA's libraries. Where
# CPU builds can be had, name their index: --build-arg TORCH_INDEX_URL=...

FROM python:3.12-slim AS build
ARG TORCH_INDEX_URL=""
WORKDIR /src
COPY pyproject.toml docker/requirements.py ./
RUN python -m venv /opt/knnclip \
 && /opt/knnclip/bin/pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch torchvision \
 && python requirements.py pyproject.toml > requirements.txt \
 && /opt/knnclip/bin/pip install --no-cache-dir -r requirements.txt
COPY README.md LICENSE ./
COPY knnclip knnclip
RUN /opt/knnclip/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --uid 1000 --create-home knnclip && install -d -o knnclip -g knnclip /stores
COPY --from=build /opt/knnclip /opt/knnclip
ENV PATH=/opt/knnclip/bin:$PATH KNNCLIP_CACHE=/stores/.cache PYTHONUNBUFFERED=1
USER 1000
WORKDIR /stores
VOLUME /stores
EXPOSE 8000
# Networks are loaded before the first answer, which takes up to a minute or two on a small machine.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v1/health', timeout=4)"]
# Without KNNCLIP_TOKEN it does not start: it can be reached from other machines.
ENTRYPOINT ["knnclip"]
CMD ["serve", "/stores/default", "--host", "0.0.0.0", "--port", "8000"]
