# syntax=docker/dockerfile:1.4

FROM golang:1.22-alpine AS builder
WORKDIR /app
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o app -ldflags="-s -w" .

FROM gcr.io/distroless/static-debian12
COPY --from=builder /app/app /app/app
ENTRYPOINT ["/app/app"]
