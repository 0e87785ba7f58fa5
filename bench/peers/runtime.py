"""The loop in which Lambda's runtime for Python runs a function."""

import http.client
import json
import os


def serve(handle):
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    base = "/2018-06-01/runtime/invocation/"
    while True:
        runtime.request("GET", base + "next")
        response = runtime.getresponse()
        request_id = response.headers["lambda-runtime-aws-request-id"]
        answer = json.dumps(handle(json.loads(response.read())))
        runtime.request("POST", f"{base}{request_id}/response", answer)
        runtime.getresponse().read()
