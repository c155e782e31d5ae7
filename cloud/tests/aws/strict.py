"""Plays AWS for the tests: moto as the control plane, docker-registry as ECR's data plane, and what
AWS documents wherever moto bends it. Listens on 127.0.0.1 only, and ends when its input does.

usage: strict.py FOLDER        prints the port when it is ready

POST /_strict/reset            nothing is there any more
POST /_strict/clear            what was called is forgotten
POST /_strict/parameter        {"name"}: an SSM parameter in eu-west-1 that outlives a reset
POST /_strict/fault            {"action", "nth", "mode": "error" | "cut" | "hold", "code"}: one call goes wrong,
                               or is answered only after
POST /_strict/go
POST /_strict/network          {"cidr"}: a VPC with a subnet in two zones; its instances have addresses of it
POST /_strict/addresses        private addresses of all instances
POST /_strict/log              {"group", "stream", "lines"}: what Docker's log driver would send
POST /_strict/door             {"address"}: where balancers are from now on
POST /_strict/terminate        {"instance"}: its group begins to end it, and waits for its lifecycle hook
GET  /_strict/calls            what was called: [[action, nth], ...], bytes and blobs received, metrics
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from pathlib import Path

import bcrypt
from moto.autoscaling.models import autoscaling_backends
from moto.core.exceptions import JsonRESTError  # noqa: F401  (loads moto's error classes early)
from moto.ec2.models import ec2_backends, launch_templates
from moto.elbv2.models import elbv2_backends
from moto.logs.models import logs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.scheduler.models import scheduler_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
REGION = "eu-west-1"
FOLDER = Path(sys.argv[1]).resolve()

# moto reads the first version's user data, but only copies that of later ones.
plain_version = launch_templates.LaunchTemplateVersion.__init__


def parsed_version(self, template, number, data, description):
    if isinstance(data.get("UserData"), str):
        data = {**data, "UserData": launch_templates.parse_user_data(data["UserData"])}
    plain_version(self, template, number, data, description)


launch_templates.LaunchTemplateVersion.__init__ = parsed_version


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Registry:
    """Debian's docker-registry, with ECR's password."""

    def __init__(self):
        self.port = free_port()
        self.root = FOLDER / "registry"
        hashed = bcrypt.hashpw(f"{ACCOUNT}-auth-token".encode(), bcrypt.gensalt(4)).decode()
        (FOLDER / "htpasswd").write_text(f"AWS:{hashed}\n")
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.root)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "auth": {"htpasswd": {"realm": "ecr", "path": str(FOLDER / "htpasswd")}},
            "http": {"addr": f"127.0.0.1:{self.port}", "relativeurls": True},
        }
        (FOLDER / "registry.json").write_text(json.dumps(config))
        log = (FOLDER / "registry.log").open("w")
        command = ["docker-registry", "serve", str(FOLDER / "registry.json")]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"docker-registry ended: {(FOLDER / 'registry.log').read_text()}")
                time.sleep(0.02)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def forget(self, repository=None):
        inside = "docker/registry/v2/repositories"
        shutil.rmtree(self.root / inside / repository if repository else self.root, ignore_errors=True)


def fail(service, code, message, status=400):
    if service in ("ecr", "logs", "scheduler", "sqs", "ssm"):
        body = json.dumps({"__type": code, "message": message})
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)]
        return status, headers, body.encode()
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    if service == "ec2":
        body = f"<Response><Errors>{error}</Errors><RequestID>strict</RequestID></Response>"
    else:
        body = f"<ErrorResponse>{error}<RequestId>strict</RequestId></ErrorResponse>"
    return status, [("Content-Type", "text/xml")], body.encode()


def scheduler_action(method, path):
    """The action of a request to EventBridge Scheduler, which is told by method and path."""
    parts = path.strip("/").split("/")
    if parts[0] == "tags":
        return "ListTagsForResource"
    what = "ScheduleGroup" if parts[0] == "schedule-groups" else "Schedule"
    if len(parts) == 1:
        return f"List{what}s"
    return {"POST": "Create", "PUT": "Update", "GET": "Get", "DELETE": "Delete"}[method] + what


def cbor(data):
    """What is in a document of RFC 8949, as far as SDKs write it."""
    import struct
    at = 0

    def head():
        nonlocal at
        first, at = data[at], at + 1
        kind, size = first >> 5, first & 31
        if size < 24 or size == 31:
            return kind, size, size
        width = 1 << (size - 24)
        raw, at = data[at:at + width], at + width
        return kind, size, raw if kind == 7 else int.from_bytes(raw, "big")

    def items(size, count):
        left = None if size == 31 else count
        while left is None or left > 0:
            if left is None and data[at] == 0xFF:
                return
            yield item()
            left = left and left - 1

    def item():
        nonlocal at
        kind, size, value = head()
        if kind in (0, 1):
            return value if kind == 0 else -1 - value
        if kind in (2, 3) and size != 31:
            raw, at = data[at:at + value], at + value
            return raw.decode() if kind == 3 else raw.hex()
        if kind == 6:
            return item()
        if kind == 7:
            floats = {25: ">e", 26: ">f", 27: ">d"}
            return struct.unpack(floats[size], value)[0] if size in floats else {20: False, 21: True}.get(size)
        all_items = list(items(size, value if kind != 5 else value * 2))
        if size == 31:
            at += 1
        if kind in (2, 3):
            return "".join(all_items)
        return all_items if kind == 4 else dict(zip(all_items[::2], all_items[1::2]))

    return item()


def xml(action, inner):
    body = f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"
    return 200, [("Content-Type", "text/xml")], body.encode()


def path_name(environ):
    return urllib.parse.unquote(environ["PATH_INFO"].rsplit("/", 1)[-1])


class Queues:
    """What moto bends of SQS: it knows a deduplication id in all groups, and only until its message
    is deleted; it forgets whether a queue is encrypted by SQS; and it loses the order of a group
    whose leases have ended."""

    DEDUPLICATED = 300

    def __init__(self):
        self.known, self.encrypted = {}, {}

    def request(self, name, body):
        """The request as moto gets it, and the answer if moto is not to be asked."""
        asked = json.loads(body or b"{}")
        queue = asked.get("QueueUrl", "").rsplit("/", 1)[-1] or asked.get("QueueName")
        if name in ("CreateQueue", "SetQueueAttributes"):
            given = asked.get("Attributes", {}).pop("SqsManagedSseEnabled", None)
            if given is not None:
                self.encrypted[queue] = given
        if name == "SendMessage" and queue.endswith(".fifo"):
            known = self.deduplicate(queue, asked)
            if known:
                return body, known
        if name == "SendMessageBatch" and queue.endswith(".fifo"):
            known = {entry["Id"]: self.deduplicate(queue, entry) for entry in asked["Entries"]}
            self.dropped = [{"Id": one, **answer} for one, answer in known.items() if answer]
            asked["Entries"] = [entry for entry in asked["Entries"] if not known[entry["Id"]]]
            if not asked["Entries"]:
                return body, {"Successful": self.dropped, "Failed": []}
        return json.dumps(asked).encode(), None

    @staticmethod
    def free_groups(url, environ):
        """Of a group whose leases ended together, moto would give out the last message first."""
        region = environ.get("HTTP_AUTHORIZATION", "").split("/")[2]
        queue = sqs_backends[ACCOUNT][region].queues.get(url.rsplit("/", 1)[-1])
        if queue:
            visible = {message for message in queue.pending_messages if message.visible}
            queue.pending_messages.difference_update(visible)

    def deduplicate(self, queue, asked):
        content = hashlib.sha256(asked["MessageBody"].encode()).hexdigest()
        key = queue, asked["MessageGroupId"], asked.get("MessageDeduplicationId") or content
        now = time.time()
        at, known = self.known.get(key, (0, None))
        if now - at < self.DEDUPLICATED:
            return known
        asked["MessageDeduplicationId"] = uuid.uuid4().hex
        answer = {"MessageId": str(uuid.uuid4()), "SequenceNumber": "1",
                  "MD5OfMessageBody": hashlib.md5(asked["MessageBody"].encode()).hexdigest()}
        self.known[key] = now, answer
        return None

    def answer(self, name, asked, content):
        queue = asked.get("QueueUrl", "").rsplit("/", 1)[-1]
        if name == "GetQueueAttributes" and queue in self.encrypted:
            reply = json.loads(content)
            reply["Attributes"]["SqsManagedSseEnabled"] = self.encrypted[queue]
            return json.dumps(reply).encode()
        if name == "SendMessageBatch" and queue.endswith(".fifo"):
            reply = json.loads(content)
            reply["Successful"] = reply.get("Successful", []) + self.dropped
            return json.dumps(reply).encode()
        if name == "DeleteQueue":
            self.encrypted.pop(queue, None)
            self.known = {key: value for key, value in self.known.items() if key[0] != queue}
        return content


class Strict:
    def __init__(self):
        self.registry = Registry()
        self.queues = Queues()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.faults, self.parameters = [], []
        self.held = threading.Event()
        self.address = None
        self.clear()
        self.refreshes, self.warm_ups = {}, {}

    def keep_parameters(self):
        for name in self.parameters:
            ssm_backends[ACCOUNT]["eu-west-1"].put_parameter(
                name, "", "a value", "SecureString", None, None, True, [], "text", None, None)

    def clear(self):
        self.calls, self.count = [], {}
        self.bytes = self.blobs = 0
        self.metrics = []

    def reset(self):
        self.clear()
        self.faults, self.refreshes, self.warm_ups = [], {}, {}
        self.queues = Queues()
        self.registry.forget()
        self.run_moto({"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset", "SERVER_NAME": "127.0.0.1",
                       "SERVER_PORT": "80", "HTTP_HOST": "127.0.0.1", "wsgi.url_scheme": "http",
                       "wsgi.input": __import__("io").BytesIO(), "CONTENT_LENGTH": "0", "QUERY_STRING": ""})
        self.keep_parameters()

    def run_moto(self, environ):
        got = {}

        def start(status, headers, _error=None):
            got["status"], got["headers"] = int(status.split()[0]), headers

        body = b"".join(self.moto(environ, start))
        return got["status"], got["headers"], body

    def __call__(self, environ, start):
        path = environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if path.startswith("/_strict/"):
            answer = self.control(path.removeprefix("/_strict/"), body)
        else:
            answer = self.serve(environ, path, body)
        cut = len(answer) > 3
        status, headers, content = answer[:3]
        kept = [(name, value) for name, value in headers
                if name.lower() not in ("content-length", "connection", "transfer-encoding")]
        if environ["REQUEST_METHOD"] == "HEAD":
            kept += [(name, value) for name, value in headers if name.lower() == "content-length"]
        else:
            kept.append(("Content-Length", str(len(content) + (100 if cut else 0))))
        start(f"{status} -", kept)
        # A cut answer promises more than it has, and the connection closes.
        return [content[: len(content) // 2] if cut else content]

    def control(self, what, body):
        if what == "reset":
            self.reset()
        elif what == "clear":
            self.clear()
            self.faults = []
        elif what == "parameter":
            self.parameters.append(json.loads(body)["name"])
            self.keep_parameters()
        elif what == "go":
            self.held.set()
        elif what == "fault":
            self.faults.append(json.loads(body))
        elif what in ("network", "addresses", "terminate", "log", "door"):
            with self.lock:
                reply = getattr(self, what)(**json.loads(body))
            return 200, [("Content-Type", "application/json")], json.dumps(reply).encode()
        reply = {"calls": self.calls, "metrics": self.metrics, "bytes": self.bytes, "blobs": self.blobs, "left": self.faults}
        return 200, [("Content-Type", "application/json")], json.dumps(reply).encode()

    def network(self, cidr):
        ec2 = ec2_backends[ACCOUNT][REGION]
        vpc = ec2.create_vpc(cidr)
        start = cidr.split(".0.0/")[0]
        subnets = [ec2.create_subnet(vpc.id, f"{start}.{16 * at}.0/20", availability_zone=f"{REGION}{zone}")
                   for at, zone in enumerate("ab")]
        return {"subnets": [subnet.id for subnet in subnets]}

    def addresses(self):
        machines = ec2_backends[ACCOUNT][REGION].all_running_instances()
        return {machine.id: machine.private_ip for machine in machines}

    def log(self, group, stream, lines):
        logs = logs_backends[ACCOUNT][REGION]
        logs.ensure_log_stream(group, stream)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines]
        logs.put_log_events(group, stream, events)
        return {}

    def door(self, address):
        self.address = address
        return {}

    def state_of(self, instance):
        groups = autoscaling_backends[ACCOUNT][REGION].autoscaling_groups.values()
        return next(state for group in groups for state in group.instance_states if state.instance.id == instance)

    def terminate(self, instance):
        self.state_of(instance).lifecycle_state = "Terminating:Wait"
        return {}

    def serve(self, environ, path, body):
        method = environ["REQUEST_METHOD"]
        if path.startswith("/v2/"):
            service = "registry"
            kind = next((k for k in ("uploads", "blobs", "manifests", "tags") if f"/{k}/" in path), "base")
            name, form = f"{method}-{kind}", {}
        else:
            scope = environ.get("HTTP_AUTHORIZATION", "").split("/")
            service = scope[3] if len(scope) > 3 else "unknown"
            target = environ.get("HTTP_X_AMZ_TARGET")
            form = dict(urllib.parse.parse_qsl(body.decode(errors="replace"))) if not target else {}
            # CloudWatch is asked by a protocol of its own, with the action in the path.
            rpc = path.rsplit("/", 1)[-1] if "/operation/" in path else None
            name = rpc or (target.split(".")[-1] if target else form.get("Action", "?"))
            if service == "scheduler":
                name = scheduler_action(method, path)
        action = f"{service}:{name}"
        with self.lock:
            nth = self.count[action] = self.count.get(action, 0) + 1
            self.calls.append([action, nth])
            fault = next((f for f in self.faults if f["action"] == action and f["nth"] == nth), None)
            if fault:
                self.faults.remove(fault)
        if fault and fault["mode"] == "hold":
            self.held.wait()
            fault = None
        if name == "ReceiveMessage" and not fault:
            return self.receive(environ, body)
        with self.lock:
            if fault and fault["mode"] == "error":
                if service == "registry":
                    return 400, [], b"injected"
                return fail(service, fault.get("code", "InjectedFault"), "injected", fault.get("status", 400))
            if service == "registry":
                answer = self.data(environ, method, path, body)
            else:
                answer = self.bent(service, name, form, body, environ)
        return (*answer, "cut") if fault else answer

    def receive(self, environ, body):
        """A long poll that keeps no other call waiting, as moto's would."""
        asked = json.loads(body)
        until = time.time() + int(asked.get("WaitTimeSeconds", 0))
        body = json.dumps({**asked, "WaitTimeSeconds": 0}).encode()
        while True:
            with self.lock:
                self.queues.free_groups(asked["QueueUrl"], environ)
                status, headers, content = self.run_moto(
                    {**environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": __import__("io").BytesIO(body)})
            if status != 200 or json.loads(content or b"{}").get("Messages") or time.time() >= until:
                return status, headers, content
            time.sleep(0.02)

    def data(self, environ, method, path, body):
        """ECR's data plane: docker-registry, whose tags move; ECR's do not."""
        headers = {"Host": environ["HTTP_HOST"]}
        for key, name in (("HTTP_AUTHORIZATION", "Authorization"), ("CONTENT_TYPE", "Content-Type"),
                          ("HTTP_ACCEPT", "Accept")):
            if environ.get(key):
                headers[name] = environ[key]
        reference = path.rsplit("/", 1)[-1]
        if method == "PUT" and "/manifests/" in path and not reference.startswith("sha256:"):
            accept = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}
            if self.registry.ask("HEAD", path, None, {**headers, **accept})[0] == 200:
                error = {"errors": [{"code": "TAG_INVALID", "message": f"the tag {reference} is immutable"}]}
                return 400, [], json.dumps(error).encode()
        query = environ.get("QUERY_STRING", "")
        answer = self.registry.ask(method, path + (f"?{query}" if query else ""), body, headers)
        if method == "PATCH" and answer[0] < 300:
            self.bytes += len(body)
            self.blobs += 1
        return answer

    def bent(self, service, name, form, body, environ):
        region = environ.get("HTTP_AUTHORIZATION", "").split("/")[2]
        groups = autoscaling_backends[ACCOUNT][region].autoscaling_groups
        group = groups.get(form.get("AutoScalingGroupName"))
        if name == "CreateAutoScalingGroup":
            if group is not None:
                return fail(service, "AlreadyExists", "AutoScalingGroup by this name already exists")
            low, high = int(form["MinSize"]), int(form["MaxSize"])
            if not low <= int(form.get("DesiredCapacity", low)) <= high:
                return fail(service, "ValidationError", "desired capacity must be between min and max size")
            self.warm_ups.pop(form["AutoScalingGroupName"], None)
        if name in ("CreateAutoScalingGroup", "UpdateAutoScalingGroup") and "DefaultInstanceWarmup" in form:
            self.warm_ups[form["AutoScalingGroupName"]] = form["DefaultInstanceWarmup"]
        if name in ("StartInstanceRefresh", "DescribeInstanceRefreshes"):
            if group is None:
                return fail(service, "ValidationError", "AutoScalingGroup name not found")
            return self.refresh(service, name, form, group)
        if name == "DeleteSecurityGroup" and self.is_used(region, form["GroupId"]):
            return fail(service, "DependencyViolation", "resource has a dependent object")
        if name == "CreateLoadBalancer" and "Subnets.member.2" not in form:
            return fail(service, "ValidationError", "at least two subnets in two zones must be given")
        if name == "CreateListener":
            balancer = elbv2_backends[ACCOUNT][region].load_balancers.get(form["LoadBalancerArn"])
            ports = [str(one.port) for one in balancer.listeners.values()] if balancer else []
            if form["Port"] in ports:
                return fail(service, "DuplicateListener", "a listener already exists on this port")
        if name == "PutMetricData":
            self.metrics.append(cbor(body))
            headers = [("Content-Type", "application/cbor"), ("Smithy-Protocol", "rpc-v2-cbor")]
            return 200, headers, b"\xa0"
        if name == "CompleteLifecycleAction":
            state = self.state_of(form["InstanceId"])
            if group is None or state.lifecycle_state != "Terminating:Wait":
                return fail(service, "ValidationError", "no active lifecycle action found")
            state.lifecycle_state = "Terminating:Proceed"
            return xml(name, "")
        if name == "BatchDeleteImage":
            return self.delete_images(json.loads(body))
        if service == "sqs":
            body, known = self.queues.request(name, body)
            if known is not None:
                return 200, [("Content-Type", "application/x-amz-json-1.0")], json.dumps(known).encode()
            environ = {**environ, "CONTENT_LENGTH": str(len(body))}
        if name == "CreateScheduleGroup":
            # moto replaces one of the same name.
            groups = scheduler_backends[ACCOUNT][region].schedule_groups
            if path_name(environ) in groups:
                return fail(service, "ConflictException", "the schedule group exists already", 409)
        if name in ("GetScheduleGroup", "DeleteScheduleGroup", "ListSchedules"):
            groups = scheduler_backends[ACCOUNT][region].schedule_groups
            if name != "ListSchedules" and path_name(environ) not in groups:
                return fail(service, "ResourceNotFoundException", "there is no such schedule group", 404)
        if name == "FilterLogEvents":
            # All streams in the order of time, and a part at a time.
            body = json.dumps({**json.loads(body), "interleaved": True, "limit": 20}).encode()
            environ = {**environ, "CONTENT_LENGTH": str(len(body))}
        environ = {**environ, "wsgi.input": __import__("io").BytesIO(body)}
        status, headers, content = self.run_moto(environ)
        if service == "sqs" and status == 200:
            content = self.queues.answer(name, json.loads(body or b"{}"), content)
        if name == "GetAuthorizationToken":
            here = f"http://{environ['HTTP_HOST']}"
            reply = json.loads(content)
            reply["authorizationData"][0]["proxyEndpoint"] = here
            reply["authorizationData"][0]["expiresAt"] = time.time() + 43200
            content = json.dumps(reply).encode()
        if service == "ecr" and b"repositoryUri" in content:
            host = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
            content = content.replace(host.encode(), environ["HTTP_HOST"].encode())
        if name == "DescribeAutoScalingGroups":
            for group, seconds in self.warm_ups.items():
                named = f"<AutoScalingGroupName>{group}</AutoScalingGroupName>"
                more = f"{named}<DefaultInstanceWarmup>{seconds}</DefaultInstanceWarmup>"
                content = content.replace(named.encode(), more.encode(), 1)
        if name == "DescribeLoadBalancers" and self.address:
            named = f"<DNSName>{self.address}</DNSName>".encode()
            content = re.sub(b"<DNSName>[^<]*</DNSName>", named, content)
        if name == "DeleteRepository" and status == 200:
            self.registry.forget(json.loads(body)["repositoryName"])
        return status, headers, content

    def refresh(self, service, name, form, group):
        mine = self.refreshes.get(group.name)
        if name == "StartInstanceRefresh":
            if mine and mine["percent"] < 100:
                return fail(service, "InstanceRefreshInProgress", "an instance refresh is in progress")
            prefix = "DesiredConfiguration.LaunchTemplate."
            mine = {"template": form[prefix + "LaunchTemplateId"], "version": form[prefix + "Version"],
                    "percent": 0}
            if mine["version"].startswith("$") and form.get("Preferences.AutoRollback") == "true":
                return fail(service, "ValidationError", "rollback needs a numbered version")
            self.refreshes[group.name] = mine
            return xml(name, "<InstanceRefreshId>refresh-1</InstanceRefreshId>")
        if mine is None:
            return xml(name, "<InstanceRefreshes></InstanceRefreshes>")
        # Each look finds it half a way further; the group follows when it is done.
        status = "Successful" if mine["percent"] == 100 else "InProgress"
        inner = f"""<InstanceRefreshes><member><InstanceRefreshId>refresh-1</InstanceRefreshId>
            <AutoScalingGroupName>{group.name}</AutoScalingGroupName><Status>{status}</Status>
            <PercentageComplete>{mine['percent']}</PercentageComplete><DesiredConfiguration><LaunchTemplate>
            <LaunchTemplateId>{mine['template']}</LaunchTemplateId><Version>{mine['version']}</Version>
            </LaunchTemplate></DesiredConfiguration></member></InstanceRefreshes>"""
        mine["percent"] = min(100, mine["percent"] + 50)
        if mine["percent"] == 100:
            group.launch_template_version = group.provided_launch_template_version = mine["version"]
        return xml(name, inner)

    def is_used(self, region, wanted):
        balancers = elbv2_backends[ACCOUNT][region].load_balancers.values()
        if any(wanted in (balancer.security_groups or []) for balancer in balancers):
            return True
        ec2 = ec2_backends[ACCOUNT][region]
        for instance in ec2.all_running_instances():
            if any(group.id == wanted for group in instance.security_groups):
                return True
        for group in ec2.describe_security_groups():
            named = [(rule.source_group or {}).get("GroupId") for rule in group.ingress_rules]
            if group.id != wanted and wanted in named:
                return True
        return False

    def delete_images(self, request):
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
                  "Authorization": "Basic " + __import__("base64").b64encode(
                      f"AWS:{ACCOUNT}-auth-token".encode()).decode()}
        done, failures = [], []
        for image in request["imageIds"]:
            path = f"/v2/{request['repositoryName']}/manifests/"
            status, headers, _ = self.registry.ask("HEAD", path + image["imageTag"], None, accept)
            if status != 200:
                failures.append({"imageId": image, "failureCode": "ImageNotFound", "failureReason": "no"})
                continue
            digest = {name.lower(): value for name, value in headers}["docker-content-digest"]
            self.registry.ask("DELETE", path + digest, None, accept)
            done.append({**image, "imageDigest": digest})
        reply = json.dumps({"imageIds": done, "failures": failures}).encode()
        return 200, [("Content-Type", "application/x-amz-json-1.1")], reply


class Quiet(WSGIRequestHandler):
    def log_request(self, *_args):
        pass


def main():
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    strict = Strict()
    server = make_server("127.0.0.1", 0, strict, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        print(server.server_port, flush=True)
        sys.stdin.read()
    finally:
        strict.registry.process.kill()


main()
