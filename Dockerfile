# The operator. The context holds dvre-operator, a static binary, StreamFlow's schema of its own
# configuration, as `streamflow schema v1.0` prints it, and the gateway's templates; hack/images/build
# brings them together.
FROM scratch
COPY dvre-operator /dvre-operator
COPY streamflow-schema.json /usr/share/dvre/streamflow-schema.json
COPY templates /usr/share/dvre/templates
LABEL org.opencontainers.image.title="dvre-operator" \
      org.opencontainers.image.description="Runs CWL workflows on Kubernetes"
USER 65532:65532
ENTRYPOINT ["/dvre-operator"]
