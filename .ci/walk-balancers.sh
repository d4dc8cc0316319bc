#!/usr/bin/env bash
# Load balancers as a new user tries them, with the real AWS CLI and curl: an ECS service of three
# tasks (real processes) behind an ALB, reached by its DNS name on the API port and on the listener's
# own; a task is killed and a revision rolled out under traffic; HTTPS. Arguments as for walk.sh.
# shellcheck source=.ci/walk-lib.sh
. "$(dirname "$0")/walk-lib.sh"
http=$((port + 3))
https=$((port + 4))
elb() { aws elbv2 "$@" --output text; }
service() { text describe-services --cluster my-cluster --services "$1" --query "services[0].$2"; }
health() { elb describe-target-health --target-group-arn "$1" --query "$2"; }
states() { health "$1" 'TargetHealthDescriptions[].TargetHealth.State' | tr '\t' '\n' | sort | uniq -c | xargs; }
get() { curl -fsS -m 10 "$@"; }
seen() { # seen URL: how many different tasks answer nine requests
  for _ in $(seq 1 9); do get "$1"; done | sort -u | wc -l | xargs
}

begin --runtime process
check 'create-load-balancer --subnets subnet-12345' 'provisioning' elb create-load-balancer --name my-alb \
  --subnets subnet-12345 --query 'LoadBalancers[0].State.Code'
ok 'wait load-balancer-available' timeout 60 aws elbv2 wait load-balancer-available --names my-alb
alb=$(elb describe-load-balancers --names my-alb --query 'LoadBalancers[0].LoadBalancerArn')
dns=$(elb describe-load-balancers --names my-alb --query 'LoadBalancers[0].DNSName')
vpc=$(elb describe-load-balancers --names my-alb --query 'LoadBalancers[0].VpcId')
group() { # group NAME: the ARN of a new target group
  elb create-target-group --name "$1" --protocol HTTP --port 80 --vpc-id "$vpc" --target-type ip \
    --health-check-interval-seconds 6 --query 'TargetGroups[0].TargetGroupArn'
}
web=$(group web)
canary=$(group canary)
listener=$(elb create-listener --load-balancer-arn "$alb" --protocol HTTP --port "$http" \
  --default-actions "Type=forward,TargetGroupArn=$web" --query 'Listeners[0].ListenerArn')
if [ -z "$listener" ]; then
  say 'FAIL there is no listener: the rest cannot be walked'
  say "$passed passed, $((failed + 1)) failed"
  exit 1
fi
rule() { # rule PRIORITY PATH ACTIONS
  elb create-rule --listener-arn "$listener" --priority "$1" --conditions "Field=path-pattern,Values=$2" \
    --actions "$3" --query 'Rules[0].Priority'
}
check 'a fixed response' '10' rule 10 '/teapot' \
  'Type=fixed-response,FixedResponseConfig={StatusCode=418,ContentType=text/plain,MessageBody=short and stout}'
check 'a redirect' '20' rule 20 '/old/*' \
  'Type=redirect,RedirectConfig={Path=/new,StatusCode=HTTP_301}'
check 'a weighted rule' '30' rule 30 '/weighted' \
  "Type=forward,ForwardConfig={TargetGroups=[{TargetGroupArn=$web,Weight=1},{TargetGroupArn=$canary,Weight=0}]}"
api="http://$dns:$port"
own="http://$dns:$http"
check 'no target is registered yet' '503' curl -s -m 10 -o /dev/null -w '%{http_code}' "$api/"

app='const s = require("http").createServer((q, a) => setTimeout(() => a.end(process.env.KECS_TASK_ID + " " + process.pid + "\n"), 5));
s.listen(process.env.PORT, process.env.KECS_BIND_HOST); process.on("SIGTERM", () => { s.close(); s.closeIdleConnections() })'
definition() {
  node -e 'console.log(JSON.stringify([{ name: "app", image: "node:20", memory: 64, command: ["node", "-e", process.argv[1]],
    portMappings: [{ containerPort: 80 }] }]))' "$app"
}
text create-cluster --cluster-name my-cluster >/dev/null
subnet=$(aws ec2 describe-subnets --query 'Subnets[0].SubnetId' --output text)
for revision in 1 2; do
  check "register revision $revision" "$revision" text register-task-definition --family web --network-mode awsvpc \
    --container-definitions "$(definition)" --query taskDefinition.revision
done
check 'create-service behind the balancer' 'ACTIVE' text create-service --cluster my-cluster --service-name web \
  --task-definition web:1 --desired-count 3 \
  --network-configuration 'awsvpcConfiguration={subnets=['"$subnet"']}' \
  --load-balancers "targetGroupArn=$web,containerName=app,containerPort=80" --query service.status
ok 'wait services-stable' waiter services-stable --cluster my-cluster --services web
check 'three healthy targets' '3 healthy' states "$web"
check 'nobody uses the canary: it has no targets' '' health "$canary" 'TargetHealthDescriptions[]'
check 'by its name on the API port: the three in turn' '3' seen "$api/"
check 'on its own port: the three in turn' '3' seen "$own/"
check 'weighted: all to the group that has targets' '3' seen "$own/weighted"
check 'fixed response' 'short and stout 418' curl -s -m 10 -w ' %{http_code}' "$own/teapot"
check 'redirect' "301 http://$dns:$http/new" curl -s -m 10 -o /dev/null \
  -w '%{http_code} %{redirect_url}' "$own/old/page"
check 'the API is untouched' 'my-cluster' bash -c 'aws ecs list-clusters --query "clusterArns[0]" --output text | sed s,.*/,,'

# One client for as long as it lasts: a line for every request that was not answered 200.
hammer() {
  node - "$http" "$dns" "$work/stop" >"$work/hammer" 2>&1 <<'JS' &
const http = require('node:http'), fs = require('node:fs')
const [port, host, stop] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
let sent = 0
const once = (tries) => new Promise((done) => {
  sent++
  const failed = (why) => {
    if (tries > 1) return setTimeout(() => done(once(tries - 1)), 100)
    console.log('failed', why)
    done()
  }
  const call = http.get({ host: '127.0.0.1', port, agent, headers: { host }, timeout: 10000 }, (answer) => {
    answer.on('error', () => {}).resume().on('end', () => answer.statusCode === 200 ? done() : failed(answer.statusCode))
  })
  call.on('error', (error) => failed(error.message))
})
const worker = async () => { while (!fs.existsSync(stop) && sent < 200000) await once(Number(process.env.TRIES)) }
Promise.all(Array.from({ length: 8 }, worker)).then(() => console.log('sent', sent > 100 ? 'enough' : sent))
JS
  hammer=$!
}
rest() { # not in a subshell, which could not wait
  touch "$work/stop"
  wait "$hammer"
  rm "$work/stop"
}

export TRIES=1
hammer
check 'update-service under traffic' 'ACTIVE' text update-service --cluster my-cluster --service web \
  --task-definition web:2 --query service.status
ok 'the new revision is out' until_text 90 COMPLETED service web 'deployments[0].rolloutState'
ok 'wait services-stable after the update' waiter services-stable --cluster my-cluster --services web
rest
check 'no request was lost' 'sent enough' cat "$work/hammer"

read -r task task_pid <<<"$(get "$own/")"
export TRIES=4
hammer
kill -9 "$task_pid"
ok 'a killed task is seen and replaced' until_text 60 '3 healthy' bash -c \
  "aws elbv2 describe-target-health --target-group-arn $web --query 'TargetHealthDescriptions[?TargetHealth.State!=\`draining\`].TargetHealth.State' --output text | tr '\t' '\n' | sort | uniq -c | xargs"
ok 'wait services-stable after the kill' waiter services-stable --cluster my-cluster --services web
check 'the killed task is gone' 'STOPPED' text describe-tasks --cluster my-cluster --tasks "$task" --query 'tasks[0].lastStatus'
rest
check 'not one request failed for a client that repeats a GET' 'sent enough' cat "$work/hammer"
check 'the events tell it' 'yes' bash -c "aws ecs describe-services --cluster my-cluster --services web --query 'services[0].events[].message' --output text | grep -q 'registered 1 targets in (target-group $web)' && echo yes"

certificate=$(aws acm request-certificate --domain-name "$dns" --query CertificateArn --output text)
check 'an HTTPS listener' "$https" elb create-listener --load-balancer-arn "$alb" --protocol HTTPS --port "$https" \
  --certificates "CertificateArn=$certificate" --default-actions "Type=forward,TargetGroupArn=$web" --query 'Listeners[0].Port'
ok 'HTTPS, verified' until_text 10 200 curl -s -m 10 --cacert "$work/data/elbv2/elbv2-ca.pem" \
  -o /dev/null -w '%{http_code}' "https://$dns:$https/"
check 'HTTPS is HTTP/2' '2' curl -s -m 10 --cacert "$work/data/elbv2/elbv2-ca.pem" \
  -o /dev/null -w '%{http_version}' "https://$dns:$https/"

kill -9 "$pid"
wait "$pid" 2>/dev/null
begin --runtime process
check 'kill -9: the balancer is there' "$dns" elb describe-load-balancers --names my-alb --query 'LoadBalancers[0].DNSName'
ok 'kill -9: its targets are probed anew' until_text 60 '3 healthy' bash -c \
  "aws elbv2 describe-target-health --target-group-arn $web --query 'TargetHealthDescriptions[?TargetHealth.State!=\`draining\`].TargetHealth.State' --output text | tr '\t' '\n' | sort | uniq -c | xargs"
ok 'kill -9: it forwards' until_text 30 3 seen "$own/"
ok 'kecs logs lb' bash -c "$start logs lb my-alb --tail 1 --admin-url http://localhost:$admin | grep -q 'app/my-alb/'"
ok 'delete-load-balancer' elb delete-load-balancer --load-balancer-arn "$alb"
check 'its name is nobody’s any more' '403' curl -s -m 10 -o /dev/null -w '%{http_code}' -H 'Host: my-alb.invalid' "$api/"
ok 'delete-service' text delete-service --cluster my-cluster --service web --force
ok 'the tasks have stopped' until_text 60 0 text describe-clusters --clusters my-cluster --query 'clusters[0].runningTasksCount'
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
