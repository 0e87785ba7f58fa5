// The live page: reads the outbox, draws a phone per device, and the inbox of its user beside it.
// Everything a notification says is set as text, never as markup.

const SHADES = 30; // the most notifications on one lock screen
const HISTORY = 300; // how many pushes back the page begins

const users = []; // {id, token, data, meta, problem}
const phones = new Map(); // device token -> phone
const owners = new Map(); // notification id -> user id
const $ = (selector) => document.querySelector(selector);

/** An element with properties and children; a string child is text. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// The API answers on the page's own origin.
async function call(method, path, token, body) {
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

// What a push shows, whatever its platform.
function shown(push) {
  const message = push.message ?? {};
  const text = (value) => (value === undefined || value === null ? "" : String(value));
  const fcm = message.fcmV1Message?.message;
  if (fcm) {
    const android = fcm.android ?? {};
    return {
      id: text(fcm.data?.id),
      key: text(android.notification?.tag ?? android.collapse_key),
      title: text(fcm.notification?.title),
      body: text(fcm.notification?.body),
      image: text(fcm.notification?.image ?? android.notification?.image),
      badge: android.notification?.notification_count,
      silent: !fcm.notification,
    };
  }
  const alert = message.aps?.alert;
  return {
    id: text(message.id),
    key: text(push.attributes?.["AWS.SNS.MOBILE.APNS.COLLAPSE_ID"]),
    title: text(alert?.title ?? message.notification?.title),
    body: text(typeof alert === "string" ? alert : alert?.body ?? message.notification?.body ?? message.data?.default),
    image: text(message.image),
    badge: message.aps?.badge,
    silent: Boolean(message.aps) && !alert,
  };
}

const isApple = (platform) => String(platform).toLowerCase().startsWith("apns");

function phoneOf(token, platform) {
  if (!phones.has(token)) {
    // The page's own registrations say whose phone it is.
    const user = users.find((one) => token.startsWith(`local-${one.id}-`));
    const device = user ? token.slice(`local-${user.id}-`.length) : token.replace(/^local-/, "");
    phones.set(token, { token, platform, device, user: user?.id, enabled: true, silent: 0, shades: new Map() });
  }
  return phones.get(token);
}

function receive(push) {
  const phone = phoneOf(push.token, push.platform);
  Object.assign(phone, { platform: push.platform, enabled: push.enabled, changed: true });
  const seen = shown(push);
  if (seen.badge !== undefined) phone.badge = Number(seen.badge);
  if (seen.silent) {
    phone.silent += 1;
    return;
  }
  const key = seen.key || seen.id || push.message_id;
  const times = (phone.shades.get(key)?.times ?? 0) + 1;
  // A repeat replaces what is on the screen, and comes to the top.
  phone.shades.delete(key);
  phone.shades.set(key, { ...seen, at: push.at, application: push.application, times, fresh: true });
  if (phone.shades.size > SHADES) phone.shades.delete(phone.shades.keys().next().value);
}

function announce(pushes) {
  for (const push of pushes.slice(-3)) {
    const phone = phones.get(push.token);
    const seen = shown(push);
    if (!seen.silent) $("#arrivals").append(element("span", {}, `${phone.user ?? "A device"}, ${phone.device}: ${seen.title} ${seen.body}. `));
  }
  while ($("#arrivals").childElementCount > 20) $("#arrivals").firstElementChild.remove();
}

function time(at) {
  const moment = new Date(at);
  const label = Number.isNaN(moment.getTime()) ? "" : moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element("time", { dateTime: String(at ?? ""), title: String(at ?? "") }, label);
}

function picture(address) {
  if (!/^(https?:|data:image\/)/i.test(address)) return null;
  return element("img", { src: address, alt: "", loading: "lazy", referrerPolicy: "no-referrer" });
}

function shade(one) {
  const fresh = one.fresh;
  one.fresh = false;
  const from = one.times > 1 ? `${one.application} · replaced ×${one.times - 1}` : String(one.application);
  return element("li", { className: fresh ? "shade new" : "shade" },
    element("div", { className: "from" }, element("span", {}, from), time(one.at)),
    element("strong", {}, one.title), element("div", {}, one.body), picture(one.image));
}

function drawPhone(phone) {
  const apple = isApple(phone.platform);
  const kind = apple ? "iPhone" : "Android";
  const clock = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const notes = [];
  if (!phone.enabled) notes.push("This endpoint is disabled");
  if (phone.silent) notes.push(`${phone.silent} silent`);
  if (phone.shades.size === 0 && notes.length === 0) notes.push("No notifications");
  return element("article", {
    className: `phone${apple ? " ios" : ""}${phone.enabled ? "" : " off"}`,
    "aria-label": `${phone.device}, ${kind}`,
  },
    element("header", {},
      element("div", { className: "clock", "aria-hidden": "true" }, clock),
      element("h3", { className: "name", title: phone.token }, `${phone.device} · ${kind} `,
        phone.badge ? element("span", { className: "badge", title: "badge" }, String(phone.badge)) : null)),
    element("ol", { tabIndex: 0, "aria-label": "Lock screen" }, ...[...phone.shades.values()].reverse().map(shade)),
    notes.length ? element("p", { className: "note" }, notes.join(" · ")) : null);
}

function inboxItem(user, one) {
  const unread = !one.read_at;
  const mark = element("button", { type: "button", className: "quiet", "aria-label": `Mark as read: ${one.title ?? ""}` }, "Mark as read");
  mark.dataset.focus = `read ${user.id} ${one.id}`;
  mark.addEventListener("click", async () => {
    if (mark.dataset.busy) return;
    mark.dataset.busy = "yes"; // not `disabled`, which would take the focus away
    try {
      await call("PUT", `/v1/me/notifications/${encodeURIComponent(one.id)}/read`, user.token);
    } catch (error) {
      user.problem = error.message;
    }
    await loadInbox(user);
    draw();
  });
  return element("li", { className: unread ? "unread" : "" },
    element("div", { className: "title" }, String(one.title ?? one.type ?? "")),
    element("div", {}, String(one.body ?? "")),
    element("div", { className: "foot" },
      element("span", { className: "note" }, time(one.created_at), ` ${one.type ?? ""}`),
      unread ? mark : element("span", { className: "note" }, "read")));
}

function drawInbox(user) {
  const list = (items) => {
    const made = element("ol", { tabIndex: 0, "aria-label": "Notifications, newest first" }, ...items);
    made.dataset.focus = `list ${user.id}`;
    return made;
  };
  const meta = user.meta ?? {};
  const count = `${meta.unread_count ?? 0}${meta.capped ? "+" : ""}`;
  return element("section", { className: "inbox", "aria-label": `${user.id}'s inbox` },
    element("header", {}, element("h3", {}, "Inbox"), element("span", { className: "note" }, `${count} unread`)),
    user.problem ? element("p", { className: "wrong", role: "alert" }, user.problem) : null,
    user.data?.length
      ? list(user.data.map((one) => inboxItem(user, one)))
      : element("p", { className: "note" }, "Nothing yet"));
}

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
      element("h2", {}, user.id), element("div", { className: "phones" }, ...(mine.length ? mine : [empty])), drawInbox(user));
  });
  const others = of(undefined);
  if (others.length) {
    sections.push(element("section", { className: "user", "aria-label": "Other devices" },
      element("h2", {}, "Other devices"), element("div", { className: "phones" }, ...others.map(drawPhone))));
  }
  $("#users").replaceChildren(...sections);
  document.querySelectorAll("#users ol").forEach((list, index) => (list.scrollTop = scrolled[index] ?? 0));
  if (focused) {
    // The same button, or else the next one of that inbox, or its list.
    const mine = [...document.querySelectorAll("[data-focus]")].filter((one) => one.dataset.focus.split(" ")[1] === focused.split(" ")[1]);
    const again = mine.find((one) => one.dataset.focus === focused) ?? mine.find((one) => one.matches("button")) ?? mine[0];
    again?.focus({ preventScroll: true });
  }
}

async function loadInbox(user) {
  try {
    const page = await call("GET", "/v1/me/notifications?limit=25&consistent=true", user.token);
    Object.assign(user, { data: page.data ?? [], meta: page.meta, problem: undefined });
    for (const one of user.data) owners.set(one.id, user.id);
  } catch (error) {
    user.problem = `The inbox cannot be read: ${error.message}`;
  }
}

// Every endpoint is a phone, before its first push and after it was disabled.
async function loadPhones() {
  const response = await fetch("endpoints");
  const { data } = await response.json();
  const alive = new Set(data.map((endpoint) => endpoint.token));
  for (const { token, platform, enabled } of data) Object.assign(phoneOf(token, platform), { platform, enabled });
  for (const phone of phones.values()) {
    if (!alive.has(phone.token) && phone.shades.size === 0) phones.delete(phone.token);
  }
  const strangers = [...phones.values()].filter((phone) => !phone.user);
  if (strangers.length === 0) return;
  // The token of the printed command names only the device: it is the phone of the one user who has such a device.
  const lists = await Promise.all(users.map((user) => call("GET", "/v1/me/devices", user.token)));
  for (const phone of strangers) {
    const has = lists.map(({ data }) => (data ?? []).some((device) => phone.token === `local-${device.id}`));
    if (has.filter(Boolean).length === 1) phone.user = users[has.indexOf(true)].id;
  }
}

// The time of the functions and services, which may be ahead of this machine's.
async function loadClock() {
  const { now, ahead_seconds: ahead } = await (await fetch("clock")).json();
  const shown = $("#now");
  shown.dateTime = now;
  shown.textContent = new Date(now).toLocaleString() + (ahead ? ` (${ahead.toLocaleString()} s ahead)` : "");
}

let drawn = "";
async function refresh() {
  await Promise.all([loadPhones(), loadClock(), ...users.map(loadInbox)]);
  const told = [...phones.values()].map((phone) => [phone.token, phone.user, phone.enabled]);
  const now = JSON.stringify([users.map((user) => [user.data, user.meta, user.problem]), told]);
  if (now !== drawn) draw();
  drawn = now;
}

async function follow() {
  let after = -HISTORY;
  let first = true;
  for (;;) {
    try {
      const response = await fetch(`outbox?after=${after}&limit=1000&wait=${first ? 0 : 20}`);
      if (!response.ok) throw new Error(String(response.status));
      const { data, next } = await response.json();
      data.forEach(receive);
      after = next;
      if (data.length || first) {
        await refresh();
        draw();
      }
      if (!first) announce(data);
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
  for (const user of session.users) users.push({ ...user });
  $("#register select[name=user]").append(...users.map((user) => element("option", { value: user.id }, user.id)));

  onSubmit($("#send"), async ({ recipients, ...fields }) => {
    const body = { recipients: recipients.split(",").map((id) => id.trim()).filter(Boolean) };
    for (const [name, value] of Object.entries(fields)) if (value) body[name] = value;
    const { data } = await call("POST", "/v1/notifications", session.producer_token, body);
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
