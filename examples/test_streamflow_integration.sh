#!/usr/bin/env bash
# The integration test of the original orchestration server, against its successor. `make demo` leaves a
# gateway at the address below; BASE_URL names another. Ends with 0 when all is as it should be.
set -euo pipefail

base=${BASE_URL:-http://localhost:8888/streamflow}
headers=(-H 'Content-Type: application/json' -H 'X-User-Wallet: 0x1234567890abcdef' -H 'X-User-Role: coordinator')

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
for tool in curl jq; do command -v "$tool" >/dev/null || fail "$tool is missing: install it"; done
get() { curl -fsS "${headers[@]}" "$base$1"; }
post() { curl -fsS "${headers[@]}" -X POST "$base$1" -d "$2"; }
# is TEXT FILTER VALUE: what a filter finds in a text of JSON.
is() {
  local found
  found=$(jq -r "$2" <<<"$1")
  [[ $found == "$3" ]] || fail "$2 is $found and not $3 in $1"
}
# over ID: waits until a workflow is over, and prints its record.
over() {
  local record
  for ((i = 0; i < 600; i++)); do
    record=$(get "/status/$1")
    case $(jq -r .status <<<"$record") in COMPLETED | FAILED | TERMINATED)
      echo "$record"
      return
      ;;
    esac
    sleep 0.5
  done
  fail "$1 is not over: $record"
}

echo "1. Templates and who does what"
info=$(get /dal-templates/info)
is "$info" .execution_architecture.model server_orchestrates_client_executes
is "$info" .execution_architecture.server_role.engine streamflow
is "$info" .execution_architecture.client_role.engine cwltool

echo "2. A workflow"
basic=$(post /submit '{
  "cwl_workflow": {
    "cwlVersion": "v1.0",
    "class": "CommandLineTool",
    "baseCommand": "echo",
    "inputs": {"message": {"type": "string", "inputBinding": {"position": 1}}},
    "outputs": {"output": {"type": "stdout"}}
  },
  "inputs": {"message": "Hello StreamFlow!"},
  "deployment": "local"
}')
is "$basic" .status SUBMITTED
is "$basic" .execution_engine streamflow
is "$basic" .execution_model server_orchestrates_client_executes
basic=$(jq -r .workflow_id <<<"$basic")
echo "   $basic"

echo "3. A template of active learning"
learning=$(post /submit-project-workflow '{
  "project_id": "test-project-001",
  "use_dal_template": true,
  "dal_workflow_type": "train_query",
  "inputs": {"config": {"query_strategy": "uncertainty_sampling", "query_budget": 5}},
  "metadata": {
    "project_title": "Test of active learning",
    "al_config": {"query_strategy": "uncertainty_sampling", "query_budget": 5, "max_iterations": 10}
  }
}')
is "$learning" .execution_model server_orchestrates_client_executes
is "$learning" .server_role streamflow_orchestration_and_coordination
learning=$(jq -r .workflow_id <<<"$learning")
echo "   $learning"

echo "4. How they go on"
record=$(over "$basic")
is "$record" .status COMPLETED
is "$record" .outputs.output.contents 'Hello StreamFlow!'
record=$(over "$learning")
is "$record" .status COMPLETED
is "$record" .dal_info.execution_complete true
echo "   $(jq -r .outputs.metrics.contents <<<"$record" | jq -c '{accuracy, round}')"

echo "5. A file that nobody has is told"
wrong=$(post /submit-project-workflow '{
  "project_id": "test-project-001",
  "use_dal_template": true,
  "inputs": {"labeled_data": "path", "unlabeled_data": "path"}
}')
record=$(over "$(jq -r .workflow_id <<<"$wrong")")
is "$record" .status FAILED
is "$record" .reason InvalidInputs

echo "6. All workflows"
list=$(get /workflows)
is "$list" "[.workflows[] | select(.workflow_id == \"$basic\")] | length" 1
is "$list" "[.workflows[] | select(.workflow_id == \"$learning\")] | length" 1

echo "All tests passed"
