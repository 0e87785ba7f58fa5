"""The function of put.rs with boto3."""

import json
import os

import boto3

import runtime

table = boto3.resource("dynamodb", region_name=os.environ["AWS_REGION"]).Table(os.environ["TABLE_NAME"])


def handle(event):
    body = json.loads(event["body"])
    recipient = body["recipients"][0]
    table.put_item(
        Item={
            "pk": "U#" + recipient,
            "sk": "N#01KAG3N7V0C5S9W2X4Y6Z8A0B1",
            "v": 1,
            "expires_at": 4000000000,
            "t": body["type"],
            "ti": body["title"],
            "b": body["body"],
            "a": {"i": body["actor"]["id"]},
            "d": body["data"],
        },
        ConditionExpression="attribute_not_exists(pk)",
    )
    data = {"data": [{"recipient": recipient, "status": "created"}]}
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps(data)}


runtime.serve(handle)
