// What all parts of the page use: the users, elements, and calls to the API.
// Everything a notification says is set as text, never as markup.

export const users = []; // {id, token, data, meta, quiet, traces, problem, failed}
export const $ = (selector) => document.querySelector(selector);

/** An element with properties and children; a string child is text. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// The API answers on the page's own origin.
export async function call(method, path, token, body) {
  const headers = { authorization: `Bearer ${token}` };
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    answer = { detail: text };
  }
  if (!response.ok) {
    const rules = (answer.errors ?? []).map((rule) => `${rule.pointer} ${rule.detail ?? rule.code}`).join("; ");
    throw new Error(`${response.status} ${rules || answer.detail || answer.title || answer.message || ""}`.trim());
  }
  return answer;
}

export function time(at, style = { hour: "2-digit", minute: "2-digit" }) {
  const moment = new Date(at);
  const label = Number.isNaN(moment.getTime()) ? "" : moment.toLocaleString([], style);
  return element("time", { dateTime: String(at ?? ""), title: String(at ?? "") }, label);
}
