#!/usr/bin/env bash
# The README's walk with the real AWS CLI against a real gateway with a real backend, a kill -9 in
# the middle of it. Takes the command that starts the gateway (data directory and ports are added),
# the backend's URL and a port.
# shellcheck source=.ci/walk-lib.sh
. "$(dirname "$0")/walk-lib.sh"
service() { text describe-services --cluster my-cluster --services "$1" --query "services[0].$2"; }

begin
check 'create-cluster' 'my-cluster' text create-cluster --cluster-name my-cluster --query cluster.clusterName
check 'list-clusters' 'arn:aws:ecs:us-east-1:000000000000:cluster/my-cluster' \
  text list-clusters --query 'clusterArns[0]'
containers='[{"name":"app","image":"nginx:alpine","cpu":64,"memory":64}]'
check 'register-task-definition' '1' text register-task-definition --family web \
  --container-definitions "$containers" --query taskDefinition.revision
check 'register-task-definition again' '2' text register-task-definition --family web \
  --container-definitions "$containers" --query taskDefinition.revision
crash='[{"name":"app","image":"nginx:alpine","memory":64,"dockerLabels":{"kecs.simulate.exit-code":"1","kecs.simulate.exit-after":"50ms"}}]'
check 'register a definition that crashes' '3' text register-task-definition --family web \
  --container-definitions "$crash" --query taskDefinition.revision
task=$(text run-task --cluster my-cluster --task-definition web:1 --query 'tasks[0].taskArn')
ok 'wait tasks-running' waiter tasks-running --cluster my-cluster --tasks "$task"
check 'create-service' 'ACTIVE' text create-service --cluster my-cluster --service-name web \
  --task-definition web:1 --desired-count 3 \
  --deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true},maximumPercent=200,minimumHealthyPercent=100' \
  --query service.status
ok 'wait services-stable' waiter services-stable --cluster my-cluster --services web
check 'three tasks run' '3' service web runningCount
check 'update-service' 'ACTIVE' text update-service --cluster my-cluster --service web \
  --task-definition web:2 --query service.status
# Never under the minimum: each look until it is done must see three tasks at least.
least=3
for _ in $(seq 1 100); do
  now=$(service web '[runningCount,deployments[0].rolloutState]')
  running=${now%%[!0-9]*}
  [ "${running:-0}" -ge "$least" ] || least=${running:-0}
  case $now in *COMPLETED*) break ;; esac
done
check 'never under the minimum while it rolls' '3' printf '%s' "$least"
check 'the new revision is out' 'COMPLETED' service web 'deployments[0].rolloutState'
ok 'wait services-stable after the update' waiter services-stable --cluster my-cluster --services web
check 'stop-task' 'STOPPED' text stop-task --cluster my-cluster --task "$task" --query task.desiredStatus
ok 'wait tasks-stopped' waiter tasks-stopped --cluster my-cluster --tasks "$task"

kill -9 "$pid"
wait "$pid" 2>/dev/null
begin
check 'kill -9: the cluster is there' 'ACTIVE' \
  text describe-clusters --clusters my-cluster --query 'clusters[0].status'
check 'kill -9: the service is there, on its revision' \
  'arn:aws:ecs:us-east-1:000000000000:task-definition/web:2' service web taskDefinition
ok 'kill -9: three tasks run' until_text 30 3 service web runningCount
check 'kill -9: the stopped task is there' 'STOPPED' \
  text describe-tasks --cluster my-cluster --tasks "$task" --query 'tasks[0].lastStatus'

check 'update-service to one that crashes' 'ACTIVE' text update-service --cluster my-cluster \
  --service web --task-definition web:3 --query service.status
ok 'the circuit breaker rolls back' until_text 60 \
  'arn:aws:ecs:us-east-1:000000000000:task-definition/web:2' service web 'deployments[0].taskDefinition'
ok 'wait services-stable after the roll-back' waiter services-stable --cluster my-cluster --services web
check 'three tasks run after the roll-back' '3' service web runningCount
check 'delete-service --force' 'DRAINING' text delete-service --cluster my-cluster --service web \
  --force --query service.status
ok 'wait services-inactive' waiter services-inactive --cluster my-cluster --services web
ok 's3 mb' aws s3 mb s3://my-bucket
check 's3 ls' 'my-bucket' aws s3api list-buckets --query 'Buckets[0].Name' --output text
check 'dynamodb create-table' 'my-table' aws dynamodb create-table --table-name my-table \
  --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH \
  --billing-mode PAY_PER_REQUEST --query TableDescription.TableName --output text
check 'an unknown cluster is the fault that AWS answers' \
  'An error occurred (ClusterNotFoundException) when calling the ListTasks operation: Cluster not found.' \
  bash -c "aws ecs list-tasks --cluster nope 2>&1 | sed '/^$/d;s/^aws: \[ERROR\]: //'"
# The tasks of a deleted service leave in their time; the cluster says so until they have left.
ok 'delete-cluster' until_text 60 INACTIVE \
  bash -c 'aws ecs delete-cluster --cluster my-cluster --query cluster.status --output text'
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
