#!/usr/bin/env bash
# What the original documents (test-v2-architecture.sh, test-traefik-routing.sh, the quick start, access
# from pods, troubleshooting) on a real k3d, in their order, with the real AWS CLI, kubectl and curl.
#   .ci/walk-k3d.sh START [PORT]    e.g. .ci/walk-k3d.sh 'npx kecs' 15566
# It needs Docker, k3d and kubectl, four ports from PORT on, and images from where a user's would come
# (KECS_LOCALSTACK_IMAGE, K3D_IMAGE). Its instance, its home and its temporary files are its own.
# shellcheck source=.ci/walk-lib.sh
. "$(dirname "$0")/walk-lib.sh" "$1" none "${2:-15566}"
name=kecs-walk-$$
system=(-n kecs-system)
backend_port=$((port + 2))
image=${KECS_TEST_IMAGE:-busybox:1.35}
export DOCKER_CONFIG=${DOCKER_CONFIG:-$HOME/.docker} HOME=$work/home TMPDIR=$work/tmp AWS_REGION=us-east-1
mkdir "$HOME" "$TMPDIR"
moto=''

kecs() { $start "$@"; }
end() {
  [ -z "$moto" ] || kill "$moto" 2>/dev/null
  # Both are gone already unless a check failed or somebody interrupted.
  kecs stop-v2 --name "$name" --delete-data >/dev/null 2>&1
  kecs cluster delete "$name-2" >/dev/null 2>&1
  rm -rf "$work"
}
trap 'exit 1' INT TERM
begun=$SECONDS
part() {
  say "-- $* (after $((SECONDS - begun)) s)"
}
has() { # has TEXT COMMAND...: it ends well, and TEXT is in what it prints
  local wanted=$1 got
  shift
  got=$("$@" 2>&1) && [[ $got = *"$wanted"* ]] && return 0
  printf "no '%s' in: %s\n" "$wanted" "$got"
  return 1
}
lacks() { # lacks TEXT COMMAND...
  local unwanted=$1 got
  shift
  got=$("$@" 2>&1) && [[ $got != *"$unwanted"* ]] && return 0
  printf "'%s' in: %s\n" "$unwanted" "$got"
  return 1
}
refused() { # refused TEXT COMMAND...: it fails, and says TEXT
  local wanted=$1 got
  shift
  if got=$("$@" 2>&1); then
    printf 'it was done: %s\n' "$got"
    return 1
  fi
  [[ $got = *"$wanted"* ]] && return 0
  printf "no '%s' in: %s\n" "$wanted" "$got"
  return 1
}
# What clients send that identifies a service: the target of a JSON protocol, else the signature's scope.
scope() { printf 'Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=00' "$1"; }
target() { # target TARGET: a call of a JSON protocol by curl
  curl -fsS -m 30 -H "X-Amz-Target: $1" -H 'Content-Type: application/x-amz-json-1.1' -d '{}' "$AWS_ENDPOINT_URL/"
}

part 'test-v2-architecture.sh'
ok 'start-v2 --name --timeout 10m' kecs start-v2 --name "$name" --api-port "$port" --admin-port "$admin" --timeout 10m
export KUBECONFIG=$HOME/.k3d/kubeconfig-$name.yaml
if [ "$failed" != 0 ]; then
  say "$passed passed, $failed failed"
  exit 1
fi
ok 'the admin port answers /health' curl -fsS -m 10 "http://localhost:$admin/health"
ok 'ecs create-cluster' aws ecs create-cluster --cluster-name test-cluster
ok 'ecs list-clusters names it' has ':cluster/test-cluster' aws ecs list-clusters
ok 'elbv2 describe-load-balancers' has '"LoadBalancers": []' aws elbv2 describe-load-balancers
bucket=test-bucket-$(date +%s)
ok 's3 mb' aws s3 mb "s3://$bucket"
ok 's3 ls names it' has "$bucket" aws s3 ls
cat >"$work/task.json" <<'END'
{"family": "test-task", "containerDefinitions": [
  {"name": "test", "image": "nginx:latest", "memory": 128, "essential": true}]}
END
ok 'ecs register-task-definition' has ':task-definition/test-task:1' \
  aws ecs register-task-definition --cli-input-json "file://$work/task.json"
ok 'kubectl: the namespace is there' kubectl get namespace kecs-system
for each in kecs-controlplane localstack; do
  ok "kubectl: the deployment $each is available" \
    kubectl "${system[@]}" wait --for=condition=Available --timeout=10s "deployment/$each"
done
for each in gateway traefik localstack; do
  ok "kubectl: the service $each is there" kubectl "${system[@]}" get services "$each"
done

part 'test-traefik-routing.sh'
ok 'ECS by its X-Amz-Target' has ':cluster/test-cluster' target AmazonEC2ContainerServiceV20141113.ListClusters
ok 'ELBv2 by Action and Version' has '<DescribeLoadBalancersResult>' \
  curl -fsS -m 30 -d 'Action=DescribeLoadBalancers&Version=2015-12-01' "$AWS_ENDPOINT_URL/"
ok 'another service by its X-Amz-Target' has '"Parameters"' target AmazonSSM.DescribeParameters
ok 'S3 by the scope of its signature' has "<Name>$bucket</Name>" \
  curl -fsS -m 30 -H "$(scope s3)" "$AWS_ENDPOINT_URL/"
ok 'kubectl get all' has 'service/traefik' kubectl get all "${system[@]}"
localstack_log() { kubectl "${system[@]}" logs -l app=localstack --tail=-1; }
ok 'S3 came to LocalStack' has 's3.CreateBucket' localstack_log
ok 'ECS did not come to LocalStack' lacks 'ecs.' localstack_log

part 'quick start'
ok 'kubectl get all, before anything' has 'deployment.apps/kecs-controlplane' kubectl get all "${system[@]}"
ok 'ecs create-cluster my-cluster' aws ecs create-cluster --cluster-name my-cluster
ok 'ecs list-clusters' has ':cluster/my-cluster' aws ecs list-clusters
ok 'elbv2 create-load-balancer' has '"LoadBalancerName": "my-alb"' \
  aws elbv2 create-load-balancer --name my-alb --subnets subnet-12345
ok 's3 mb s3://my-bucket' aws s3 mb s3://my-bucket

part 'access from a pod that is no task'
from_pod() { # from_pod NAME FLAGS...: what wget prints in a pod that knows the endpoint by its environment
  local pod=$1
  shift
  kubectl run "$pod" --image="$image" --restart=Never \
    --env=AWS_ENDPOINT_URL=http://traefik.kecs-system.svc.cluster.local:4566 \
    --command -- sh -c 'wget -qO- "$@" "$AWS_ENDPOINT_URL/"' wget "$@" >/dev/null &&
    kubectl wait --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s "pod/$pod" >/dev/null
  kubectl logs "$pod"
  kubectl delete pod "$pod" --now >/dev/null
}
ok 'it lists ECS clusters' has ':cluster/my-cluster' from_pod ecs-caller \
  --header 'X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters' \
  --header 'Content-Type: application/x-amz-json-1.1' --header "$(scope ecs)" --post-data '{}'
ok 'it lists buckets' has '<Name>my-bucket</Name>' from_pod s3-caller --header "$(scope s3)"

part 'commands, health, troubleshooting'
ok 'cluster list' has "$name" kecs cluster list
ok 'cluster info' has "http://localhost:$port" kecs cluster info "$name"
ok 'cluster create' kecs cluster create "$name-2" --api-port "$((port + 2))" --admin-port "$((port + 3))"
ok 'cluster list names both' has "$name-2" kecs cluster list
ok 'cluster delete' kecs cluster delete "$name-2"
ok 'health' has '"status":"' curl -fsS -m 10 "http://localhost:$admin/health"
ok 'health/detailed: the backend is up' has 'localstack.kecs-system.svc.cluster.local:4566 answers' \
  curl -fsS -m 10 "http://localhost:$admin/health/detailed"
for each in kecs-controlplane localstack; do
  ok "kubectl logs -l app=$each" has ' ' kubectl logs "${system[@]}" -l "app=$each"
done
ok 'a port in use: its flag and who holds it' refused "The container k3d-$name-server-0 listens there." \
  kecs start-v2 --name "$name-2" --api-port "$port" --admin-port "$((port + 3))"
check 'nothing was made for it' '' docker ps -aq --filter "label=k3d.cluster=$name-2"
check 'kubeconfig is where it was promised' "$KUBECONFIG" kecs kubeconfig "$name"
ok 'kubectl get nodes by it' has "k3d-$name-server-0" kubectl get nodes

part 'a moto server beside the cluster'
if ! command -v moto_server >/dev/null; then
  say 'skipped: there is no moto_server (pip install "moto[server,dynamodb]")'
else
  # By which containers of the cluster reach this machine, and nobody else does.
  host=$(docker network inspect --format '{{(index .IPAM.Config 0).Gateway}}' "k3d-$name")
  moto_server -H "$host" -p "$backend_port" >"$work/moto.log" 2>&1 &
  moto=$!
  ok 'moto answers' until_text 60 200 curl -s -m 2 -o /dev/null -w '%{http_code}' "http://$host:$backend_port/moto-api/"
  ok 'start-v2 --backend URL' kecs start-v2 --name "$name" --backend "http://localhost:$backend_port"
  ok 'LocalStack has gone' refused 'NotFound' kubectl "${system[@]}" get deployment localstack
  ok 'dynamodb create-table' has '"TableName": "my-table"' aws dynamodb create-table --table-name my-table \
    --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH \
    --billing-mode PAY_PER_REQUEST
  ok 'dynamodb list-tables' has 'my-table' aws dynamodb list-tables
  ok 'ecs list-clusters still names my-cluster' has ':cluster/my-cluster' aws ecs list-clusters
fi

part 'stop-v2 --delete-data'
remains() {
  docker ps -a --filter "label=k3d.cluster=$name" --format '{{.Names}}'
  docker network ls --filter "name=k3d-$name" --format '{{.Name}}'
  docker volume ls -q --filter "label=k3d.cluster=$name"
  # The node's own have no label.
  docker volume ls -q | grep -Fxf "$work/volumes"
  # kubectl's cache, empty folders and what k3d leaves of /etc/hosts are not ours.
  find "$HOME/.kecs" "$HOME/.k3d" "$HOME/.kube" "$TMPDIR" -path '*/.kube/cache' -prune -o \
    ! -type d ! -name 'k3d-hostsfile-*' -print
}
docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' \
  "k3d-$name-server-0" | grep . >"$work/volumes"
ok 'its volumes are known' test -s "$work/volumes"
ok 'stop-v2' kecs stop-v2 --name "$name" --delete-data
check 'no container, network, volume or file of it is left' '' remains
ok 'its data are gone' test ! -e "$HOME/.kecs/instances/$name"
ok 'the endpoint is gone' refused '' curl -sS -m 5 "$AWS_ENDPOINT_URL/ready"
say "-- done after $((SECONDS - begun)) s"
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
