// The loop in which Lambda's runtime for Node runs a function.
import http from "node:http";

const agent = new http.Agent({ keepAlive: true });
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request(base + path, { method, agent, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

export async function serve(handle) {
  for (;;) {
    const { headers, body } = await ask("GET", "next");
    const answer = JSON.stringify(await handle(JSON.parse(body)));
    await ask("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, answer);
  }
}
