# The operator. The context holds nothing but dvre-operator, a static binary; hack/images/build
# makes it.
FROM scratch
COPY dvre-operator /dvre-operator
LABEL org.opencontainers.image.title="dvre-operator" \
      org.opencontainers.image.description="Runs CWL workflows on Kubernetes"
USER 65532:65532
ENTRYPOINT ["/dvre-operator"]
