# docker build -t glissando . && docker run -v ~/Music:/music:ro -v glissando:/data glissando index /music
FROM python:3.12-slim
ENV GLISSANDO_DATA=/data GLISSANDO_CACHE=/data/cache PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY pyproject.toml lock.txt README.md LICENSE ./
COPY glissando glissando
RUN pip install -c lock.txt ".[formats,maps]"
VOLUME /data
ENTRYPOINT ["gliss"]
