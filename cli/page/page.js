// The live page: reads the outbox, draws a phone per device, and the inbox of its user beside it.

import { $, call, element, users } from "./common.js";
import { drawInbox, drawQuiet, isQuiet, loadInbox, owners } from "./inbox.js";
import { announce, drawPhone, loadPhones, phones, receive } from "./phones.js";

const HISTORY = 300; // how many pushes back the page begins

let now = 0; // what the stack's clock shows
const page = { tokens: {}, draw, now: () => now };

function draw() {
  const focused = document.activeElement?.dataset?.focus;
  const scrolled = [...document.querySelectorAll("#users ol")].map((list) => list.scrollTop);
  // A phone belongs to the user in whose inbox its notifications are.
  for (const phone of phones.values()) {
    for (const one of phone.shades.values()) phone.user ??= owners.get(one.id);
  }
  const of = (user) => [...phones.values()].filter((phone) => phone.user === user);
  const sections = users.map((user) => {
    const mine = of(user.id).map(drawPhone);
    const empty = element("p", { className: "note" }, "No device yet: register one on the left.");
    return element("section", { className: "user", "aria-label": user.id },
      element("header", { className: "who" }, element("h2", {}, user.id), ...drawQuiet(user, page)),
      element("div", { className: "phones" }, ...(mine.length ? mine : [empty])), drawInbox(user, page));
  });
  const others = of(undefined);
  if (others.length) {
    sections.push(element("section", { className: "user", "aria-label": "Other devices" },
      element("h2", {}, "Other devices"), element("div", { className: "phones" }, ...others.map(drawPhone))));
  }
  $("#users").replaceChildren(...sections);
  document.querySelectorAll("#users ol").forEach((list, index) => (list.scrollTop = scrolled[index] ?? 0));
  if (focused) {
    // The same button; after one was marked as read, the next; or else the list.
    const [kind, user] = focused.split(" ");
    const all = [...document.querySelectorAll("[data-focus]")];
    const first = (start) => all.find((one) => one.dataset.focus.startsWith(start));
    const next = kind === "read" ? first(`read ${user} `) : undefined;
    const again = all.find((one) => one.dataset.focus === focused) ?? next ?? first(`list ${user}`);
    again?.focus({ preventScroll: true });
  }
}

// The time of the functions and services, which may be ahead of this machine's.
async function loadClock() {
  const clock = await (await fetch("clock")).json();
  now = Date.parse(clock.now);
  const { ahead_seconds: ahead } = clock;
  const shown = $("#now");
  shown.dateTime = clock.now;
  shown.textContent = new Date(now).toLocaleString() + (ahead ? ` (${ahead.toLocaleString()} s ahead)` : "");
}

let drawn = "";
async function refresh() {
  await Promise.all([loadPhones(), loadClock(), ...users.map((user) => loadInbox(user, page.tokens))]);
  const told = [...phones.values()].map((phone) => [phone.token, phone.user, phone.enabled]);
  const asked = (user) => [user.data, user.meta, user.quiet, isQuiet(user.quiet, now), [...user.traces], user.problem];
  const found = JSON.stringify([users.map(asked), told]);
  if (found !== drawn) draw();
  drawn = found;
}

async function follow() {
  let after = -HISTORY;
  let first = true;
  for (;;) {
    try {
      const response = await fetch(`outbox?after=${after}&limit=1000&wait=${first ? 0 : 20}`);
      if (!response.ok) throw new Error(String(response.status));
      const { data, next } = await response.json();
      const lines = data.map(receive).filter(Boolean);
      after = next;
      if (data.length || first) {
        await refresh();
        draw();
      }
      if (!first) announce(lines);
      first = false;
      $("#connection").textContent = "Live";
    } catch {
      $("#connection").textContent = "The local stack does not answer; trying again…";
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

/** Runs `work` when the form is sent, and says beside its button what became of it. */
function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
    try {
      output.textContent = await work(fields);
      output.className = "";
    } catch (error) {
      output.textContent = error.message;
      output.className = "wrong";
    }
    await refresh().catch(() => {}); // the connection line tells
  });
}

async function start() {
  const session = await (await fetch("session.json")).json();
  for (const user of session.users) users.push({ ...user, traces: new Map() });
  page.tokens = { producer: session.producer_token, admin: session.admin_token };
  $("#register select[name=user]").append(...users.map((user) => element("option", { value: user.id }, user.id)));

  onSubmit($("#send"), async ({ recipients, ...fields }) => {
    const body = { recipients: recipients.split(",").map((id) => id.trim()).filter(Boolean) };
    for (const [name, value] of Object.entries(fields)) if (value) body[name] = value;
    const { data } = await call("POST", "/v1/notifications", page.tokens.producer, body);
    return (data ?? []).map((one) => `${one.recipient}: ${one.status}`).join(", ");
  });
  onSubmit($("#register"), async ({ user: id, device, platform }) => {
    const token = `local-${id}-${device}`;
    const user = users.find((one) => one.id === id);
    await call("PUT", `/v1/me/devices/${encodeURIComponent(device)}`, user.token, { platform, token });
    return `${device} is registered`;
  });

  onSubmit($("#clock"), async ({ seconds }) => {
    const body = JSON.stringify({ forward_seconds: Number(seconds) });
    const response = await fetch("clock", { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!response.ok) throw new Error((await response.json()).message);
    return "";
  });

  // What reaches an inbox without a push shows up, too.
  setInterval(() => document.hidden || refresh().catch(() => {}), 5000);
  await follow();
}

start().catch((error) => ($("#connection").textContent = `The page cannot start: ${error.message}`));
