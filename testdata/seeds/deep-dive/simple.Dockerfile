FROM scratch
COPY myapp /
CMD ["/myapp"]
