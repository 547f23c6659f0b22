# The operator. The context holds dvre-operator, a static binary, and StreamFlow's schema of its own
# configuration, as `streamflow schema v1.0` prints it; hack/images/build makes both.
FROM scratch
COPY dvre-operator /dvre-operator
COPY streamflow-schema.json /usr/share/dvre/streamflow-schema.json
LABEL org.opencontainers.image.title="dvre-operator" \
      org.opencontainers.image.description="Runs CWL workflows on Kubernetes"
USER 65532:65532
ENTRYPOINT ["/dvre-operator"]
