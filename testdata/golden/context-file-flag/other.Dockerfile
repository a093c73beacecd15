FROM scratch
COPY a /other
