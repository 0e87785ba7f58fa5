// The phones: one for each device, drawn as its lock screen.

import { $, call, element, time, users } from "./common.js";

const SHADES = 30; // the most notifications on one lock screen

export const phones = new Map(); // device token -> phone

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
      clear: text(fcm.data?.clear),
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
    clear: text(message.clear),
    silent: Boolean(message.aps) && !alert,
  };
}

const isApple = (platform) => String(platform).toLowerCase().startsWith("apns");

function phoneOf(token, platform) {
  if (!phones.has(token)) {
    // The page's own registrations say whose phone it is.
    const user = users.find((one) => token.startsWith(`local-${one.id}-`));
    const device = user ? token.slice(`local-${user.id}-`.length) : token.replace(/^local-/, "");
    phones.set(token, { token, platform, device, user: user?.id, enabled: true, silent: 0, cleared: 0, shades: new Map() });
  }
  return phones.get(token);
}

// Takes a notification off a lock screen. Returns what it said, if it was there.
function clear(phone, id) {
  phone.cleared += 1;
  for (const [key, one] of phone.shades) {
    if (key !== id && one.id !== id) continue;
    phone.shades.delete(key);
    return one.title || one.body || id;
  }
  return undefined;
}

/** Shows a push on its phone. Returns what the log says of it, once it is known whose phone it is. */
export function receive(push) {
  const phone = phoneOf(push.token, push.platform);
  Object.assign(phone, { platform: push.platform, enabled: push.enabled });
  const said = (text) => () => `${phone.user ?? "A device"}, ${phone.device}: ${text}. `;
  const seen = shown(push);
  if (seen.badge !== undefined) phone.badge = Number(seen.badge);
  if (seen.clear) {
    const gone = clear(phone, seen.clear);
    return gone === undefined ? undefined : said(`“${gone}” is taken off the screen`);
  }
  if (seen.silent) {
    phone.silent += 1;
    return undefined;
  }
  const key = seen.key || seen.id || push.message_id;
  const times = (phone.shades.get(key)?.times ?? 0) + 1;
  // A repeat replaces what is on the screen, and comes to the top.
  phone.shades.delete(key);
  phone.shades.set(key, { ...seen, at: push.at, application: push.application, times, fresh: true });
  if (phone.shades.size > SHADES) phone.shades.delete(phone.shades.keys().next().value);
  return said(`${seen.title} ${seen.body}`);
}

export function announce(lines) {
  for (const line of lines.slice(-3)) $("#arrivals").append(element("span", {}, line()));
  while ($("#arrivals").childElementCount > 20) $("#arrivals").firstElementChild.remove();
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

export function drawPhone(phone) {
  const apple = isApple(phone.platform);
  const kind = apple ? "iPhone" : "Android";
  const clock = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const notes = [];
  if (!phone.enabled) notes.push("This endpoint is disabled");
  if (phone.silent) notes.push(`${phone.silent} silent`);
  if (phone.cleared) notes.push(`${phone.cleared} to clear the screen`);
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

// Every endpoint is a phone, before its first push and after it was disabled.
export async function loadPhones() {
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
