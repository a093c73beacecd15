FROM golang:1.23-alpine AS builder
WORKDIR /app
COPY . .
RUN CGO_ENABLED=0 GOOS=linux go build -ldflags="-s -w" -o myapp
FROM scratch
COPY --from=builder /app/myapp /myapp
COPY --from=builder /usr/share/zoneinfo /usr/share/zoneinfo
ENV TZ=UTC
COPY --from=builder /etc/passwd /etc/passwd
COPY --from=builder /etc/group /etc/group
USER myuser
COPY --from=builder /tmp /tmp
COPY --from=builder /tmp/nsswitch.conf /etc/nsswitch.conf
COPY --from=builder /tmp/hosts /etc/hosts
ENTRYPOINT ["/myapp"]
