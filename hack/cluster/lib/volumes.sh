# shellcheck shell=bash
# Storage: a default class whose volumes are folders of the state, made in advance. Sourced.

# A provisioner that makes folders on demand would be simpler, but the controller manager's own makes
# them for root only, and fsGroup does not apply to its kind of volume. It does to this one.
make_volumes() {
  local i name
  if kubectl get storageclass standard >/dev/null 2>&1; then return; fi
  for ((i = 1; i <= VOLUME_COUNT; i++)); do
    name=$(printf 'volume-%02d' "$i")
    mkdir -p "$VOLUMES/$name"
    chmod 777 "$VOLUMES/$name"
    cat <<YAML
---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: $name
  labels: {dvre-operator/recycled: "true"}
spec:
  capacity: {storage: 100Gi}
  accessModes: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: standard
  local: {path: $VOLUMES/$name}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$NODE_NAME]}]
YAML
  done >"$CONFIG/volumes.yaml"
  # The class last: it says that all is there.
  cat >>"$CONFIG/volumes.yaml" <<YAML
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Retain
YAML
  kubectl apply --filename "$CONFIG/volumes.yaml" >"$LOGS/volumes.log"
}
