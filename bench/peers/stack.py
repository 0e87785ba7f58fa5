"""A service that does what the local stack does, in Python with boto3, over the emulators of moto: a request is stored, pushed
and its outcome recorded before it is answered. It says where its API is, and ends with its standard input."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.config import Config

USERS = 8
TABLE = "tidings"
MESSAGE = Path(__file__).with_name("message.json").read_text().strip()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


port = free_port()
moto = subprocess.Popen(
    [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
while True:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except ConnectionRefusedError:
        if moto.poll() is not None:
            sys.exit("moto does not start")
        time.sleep(0.05)

service = {
    "endpoint_url": f"http://127.0.0.1:{port}",
    "region_name": "eu-west-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
    "config": Config(max_pool_connections=32),
}
dynamodb = boto3.client("dynamodb", **service)
sns = boto3.client("sns", **service)
keys = [("pk", "HASH"), ("sk", "RANGE")]
dynamodb.create_table(
    TableName=TABLE,
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
    KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
)
application = sns.create_platform_application(Name="tidings", Platform="GCM", Attributes={"PlatformCredential": "none"})
for number in range(USERS):
    endpoint = sns.create_platform_endpoint(
        PlatformApplicationArn=application["PlatformApplicationArn"], Token=f"phone-{number}"
    )
    item = {
        "pk": {"S": f"U#user-{number}"},
        "sk": {"S": "A#user"},
        "dev": {"M": {"phone": {"S": endpoint["EndpointArn"]}}},
    }
    dynamodb.put_item(TableName=TABLE, Item=item)


def create(body):
    user = {"S": "U#" + body["recipients"][0]}
    key = {"pk": user, "sk": {"S": f"N#{uuid.uuid4().hex}"}}
    row = {
        **key,
        "v": {"N": "1"},
        "expires_at": {"N": "4000000000"},
        "t": {"S": body["type"]},
        "ti": {"S": body["title"]},
        "b": {"S": body["body"]},
        "a": {"M": {"i": {"S": body["actor"]["id"]}}},
        "d": {"M": {"video": {"M": {"id": {"N": "42"}}}}},
    }
    dynamodb.put_item(TableName=TABLE, Item=row, ConditionExpression="attribute_not_exists(pk)")
    devices = dynamodb.get_item(TableName=TABLE, Key={"pk": user, "sk": {"S": "A#user"}})["Item"]["dev"]["M"]
    answer = sns.publish(TargetArn=devices["phone"]["S"], MessageStructure="json", Message=MESSAGE)
    dynamodb.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET po = :outcome",
        ExpressionAttributeValues={":outcome": {"S": answer["MessageId"]}},
    )
    return {"data": [{"recipient": body["recipients"][0], "status": "created"}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps(create(body)).encode()
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"api": "http://{}:{}".format(*server.server_address)}), flush=True)
sys.stdin.read()
moto.terminate()
moto.wait()
os._exit(0)
