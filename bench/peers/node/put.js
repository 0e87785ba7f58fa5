// The function of put.rs with the AWS SDK for JavaScript.
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";

import { serve } from "./runtime.js";

const client = new DynamoDBClient({});
const TableName = process.env.TABLE_NAME;

serve(async (event) => {
  const body = JSON.parse(event.body);
  const recipient = body.recipients[0];
  const put = new PutItemCommand({
    TableName,
    Item: {
      pk: { S: `U#${recipient}` },
      sk: { S: "N#01KAG3N7V0C5S9W2X4Y6Z8A0B1" },
      v: { N: "1" },
      expires_at: { N: "4000000000" },
      t: { S: body.type },
      ti: { S: body.title },
      b: { S: body.body },
      a: { M: { i: { S: body.actor.id } } },
      d: { M: { video: { M: { id: { N: "42" } } } } },
    },
    ConditionExpression: "attribute_not_exists(pk)",
  });
  await client.send(put);
  const data = { data: [{ recipient, status: "created" }] };
  return { statusCode: 201, headers: { "content-type": "application/json" }, body: JSON.stringify(data) };
});
