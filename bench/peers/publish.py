"""The loop of publish.rs with boto3: 16 threads, since boto3 waits for every answer."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

import runtime

IN_FLIGHT = 16
MESSAGE = Path(__file__).with_name("message.json").read_text().strip()
region = os.environ["AWS_REGION"]
config = Config(max_pool_connections=IN_FLIGHT)
dynamodb = boto3.client("dynamodb", region_name=region, config=config)
sns = boto3.client("sns", region_name=region, config=config)
table = os.environ["TABLE_NAME"]
threads = ThreadPoolExecutor(IN_FLIGHT)


def read(keys):
    answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    return len(answer["Responses"][table])


def push(key):
    endpoint = "arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/tidings/" + key["pk"]["S"].removeprefix("U#")
    lives = {"AWS.SNS.MOBILE.FCM.TTL": {"DataType": "String", "StringValue": "86400"}}
    answer = sns.publish(TargetArn=endpoint, MessageStructure="json", Message=MESSAGE, MessageAttributes=lives)
    device = {"M": {"s": {"S": "sent"}, "m": {"S": answer["MessageId"]}}}
    outcome = {"M": {"s": {"S": "sent"}, "t": {"N": "1795168800000"}, "d": {"M": {"phone": device}}}}
    dynamodb.update_item(
        TableName=table,
        Key=key,
        ConditionExpression="attribute_exists(t) AND attribute_not_exists(po)",
        UpdateExpression="SET po = :outcome",
        ExpressionAttributeValues={":outcome": outcome},
        ReturnValues="ALL_NEW",
    )


def handle(event):
    keys = [record["dynamodb"]["Keys"] for record in event["Records"]]
    users = [{"pk": key["pk"], "sk": {"S": row}} for key in keys for row in ("A#user", "A#marks")]
    found = read(keys) + sum(read(users[start : start + 100]) for start in range(0, len(users), 100))
    done = len(list(threads.map(push, keys)))
    if found != 2 * done:
        raise ValueError(f"{found} rows")
    return {"batchItemFailures": []}


runtime.serve(handle)
