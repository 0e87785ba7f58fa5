// The loop of publish.rs with the AWS SDK for JavaScript, 16 at a time.
import {
  BatchGetItemCommand,
  DynamoDBClient,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";

import Message from "../message.json";
import { serve } from "./runtime.js";

const IN_FLIGHT = 16;
const dynamodb = new DynamoDBClient({});
const sns = new SNSClient({});
const TableName = process.env.TABLE_NAME;

async function read(Keys) {
  const get = new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } });
  return (await dynamodb.send(get)).Responses[TableName].length;
}

async function push(Key) {
  const publish = new PublishCommand({
    TargetArn: `arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/tidings/${Key.pk.S.slice(2)}`,
    MessageStructure: "json",
    Message: Message.trimEnd(),
    MessageAttributes: { "AWS.SNS.MOBILE.FCM.TTL": { DataType: "String", StringValue: "86400" } },
  });
  const { MessageId } = await sns.send(publish);
  const device = { M: { s: { S: "sent" }, m: { S: MessageId } } };
  const outcome = { M: { s: { S: "sent" }, t: { N: "1795168800000" }, d: { M: { phone: device } } } };
  const update = new UpdateItemCommand({
    TableName,
    Key,
    ConditionExpression: "attribute_exists(t) AND attribute_not_exists(po)",
    UpdateExpression: "SET po = :outcome",
    ExpressionAttributeValues: { ":outcome": outcome },
    ReturnValues: "ALL_NEW",
  });
  await dynamodb.send(update);
}

serve(async (event) => {
  const keys = event.Records.map((record) => record.dynamodb.Keys);
  const users = keys.flatMap(({ pk }) => ["A#user", "A#marks"].map((row) => ({ pk, sk: { S: row } })));
  let found = await read(keys);
  for (let start = 0; start < users.length; start += 100) {
    found += await read(users.slice(start, start + 100));
  }
  const left = keys[Symbol.iterator]();
  let done = 0;
  const work = async () => {
    for (const key of left) {
      await push(key);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  if (found !== 2 * done) {
    throw new Error(`${found} rows`);
  }
  return { batchItemFailures: [] };
});
