FROM scratch
COPY base /
