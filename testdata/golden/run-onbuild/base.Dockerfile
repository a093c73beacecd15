FROM busybox
ONBUILD RUN echo onbuild > /ob
