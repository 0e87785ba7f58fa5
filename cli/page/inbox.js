// A user's inbox, and what can be asked of it: read, taken back, and why its pushes did or did not come.

import { call, element, time } from "./common.js";

export const owners = new Map(); // notification id -> user id

const HOUR = 3_600_000;
const WHOLE = { dateStyle: "short", timeStyle: "medium" };

async function loadTrace(user, id, admin) {
  try {
    const { data } = await call("GET", `/v1/users/${encodeURIComponent(user.id)}/notifications/${encodeURIComponent(id)}/trace`, admin);
    user.traces.set(id, { steps: data ?? [] });
  } catch (error) {
    user.traces.set(id, { steps: [], problem: error.message });
  }
}

/** Reads the inbox, the user's quiet hours, and again the traces that are shown. */
export async function loadInbox(user, tokens) {
  try {
    const [page, preferences] = await Promise.all([
      call("GET", "/v1/me/notifications?limit=25&consistent=true", user.token),
      call("GET", "/v1/me/preferences", user.token),
    ]);
    Object.assign(user, { data: page.data ?? [], meta: page.meta, quiet: preferences.quiet_hours, problem: undefined });
  } catch (error) {
    user.problem = `The inbox cannot be read: ${error.message}`;
    return;
  }
  for (const one of user.data) owners.set(one.id, user.id);
  const here = new Set(user.data.map((one) => one.id));
  for (const id of user.traces.keys()) if (!here.has(id)) user.traces.delete(id);
  await Promise.all([...user.traces.keys()].map((id) => loadTrace(user, id, tokens.admin)));
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** Whether quiet hours hold at a moment: those that began today, or yesterday and go on past midnight. */
export function isQuiet(quiet, now) {
  if (!quiet) return false;
  let parts;
  try {
    const style = { timeZone: quiet.time_zone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    parts = new Intl.DateTimeFormat("en-GB", style).formatToParts(new Date(now));
  } catch {
    return false; // a time zone that this browser does not know
  }
  const part = (type) => parts.find((one) => one.type === type).value;
  const clock = `${part("hour")}:${part("minute")}`;
  const today = DAYS.indexOf(part("weekday").slice(0, 3).toLowerCase());
  const begins = (day) => quiet.days.includes(DAYS[day % 7]);
  if (quiet.from < quiet.to) return begins(today) && quiet.from <= clock && clock < quiet.to;
  return (begins(today) && quiet.from <= clock) || (begins(today + 6) && clock < quiet.to);
}

/** Sets quiet hours from the hour before to three hours ahead, by the stack's clock; or those of before again. */
async function switchQuiet(user) {
  const { now } = await (await fetch("clock")).json();
  // Mutes are shown with the preferences, and not replaced with them.
  const { mutes, ...preferences } = await call("GET", "/v1/me/preferences", user.token);
  let quiet = user.before ?? null;
  if (!isQuiet(preferences.quiet_hours, now)) {
    if (user.before === undefined) user.before = preferences.quiet_hours;
    const hour = (by) => `${new Date(Date.parse(now) + by * HOUR).toISOString().slice(11, 13)}:00`;
    quiet = { from: hour(-1), to: hour(3), time_zone: "UTC" };
  }
  await call("PUT", "/v1/me/preferences", user.token, { ...preferences, quiet_hours: quiet });
}

/** A button that keeps the focus while it works and when the page is drawn again. */
function button(text, properties, focus, work) {
  const made = element("button", { type: "button", className: "quiet", ...properties }, text);
  made.dataset.focus = focus;
  made.addEventListener("click", async () => {
    if (made.dataset.busy) return;
    made.dataset.busy = "yes"; // not `disabled`, which would take the focus away
    await work();
  });
  return made;
}

/** Does what a button asks for, and shows what became of it. */
async function act(user, page, work) {
  user.failed = undefined;
  try {
    await work();
  } catch (error) {
    user.failed = error.message;
  }
  await loadInbox(user, page.tokens);
  page.draw();
}

/** The switch for quiet hours, and when they are. */
export function drawQuiet(user, page) {
  const { quiet } = user;
  const on = isQuiet(quiet, page.now());
  const properties = { "aria-pressed": String(on), "aria-label": `Quiet hours now: ${user.id}` };
  const toggle = button("Quiet hours now", properties, `quiet ${user.id}`, () => act(user, page, () => switchQuiet(user)));
  const when = quiet ? `${on ? "quiet" : "quiet hours"} from ${quiet.from} to ${quiet.to}, ${quiet.time_zone}` : "";
  return [toggle, element("span", { className: "note" }, when)];
}

// One step as a sentence: when, what, on which device, and why.
function sentence(step) {
  const device = step.device ? ` on ${step.device}` : "";
  const detail = step.detail ? `: ${step.detail}` : "";
  const reason = step.reason ? ` (${step.reason})` : "";
  const message = step.message_id ? element("small", {}, `; SNS message ${step.message_id}`) : null;
  const when = step.at ? time(step.at, WHOLE) : null;
  return element("li", {}, when, when ? " " : null, element("strong", {}, String(step.step)), `${device}${detail}${reason}`, message);
}

function drawTrace(trace) {
  if (trace.problem) return element("p", { className: "wrong", role: "alert" }, trace.problem);
  return element("ul", { className: "trace", "aria-label": "What happened" }, ...trace.steps.map(sentence));
}

function inboxItem(user, one, page) {
  const unread = !one.read_at;
  const title = String(one.title ?? one.type ?? "");
  const path = `/notifications/${encodeURIComponent(one.id)}`;
  const mark = button("Mark as read", { "aria-label": `Mark as read: ${title}` }, `read ${user.id} ${one.id}`,
    () => act(user, page, () => call("PUT", `/v1/me${path}/read`, user.token)));
  const back = button("Take back", { "aria-label": `Take back: ${title}` }, `back ${user.id} ${one.id}`,
    () => act(user, page, () => call("DELETE", `/v1${path}?recipient=${encodeURIComponent(user.id)}`, page.tokens.producer)));
  const trace = user.traces.get(one.id);
  const why = button("Why?", { "aria-expanded": String(Boolean(trace)), "aria-label": `Why was it pushed, or not: ${title}` }, `why ${user.id} ${one.id}`,
    async () => {
      if (!user.traces.delete(one.id)) await loadTrace(user, one.id, page.tokens.admin);
      page.draw();
    });
  return element("li", { className: unread ? "unread" : "" },
    element("div", { className: "title" }, title),
    element("div", {}, String(one.body ?? "")),
    element("div", { className: "foot" },
      element("span", { className: "note" }, time(one.created_at), ` ${one.type ?? ""}`, unread ? "" : " · read"),
      element("span", { className: "row" }, unread ? mark : null, why, back)),
    trace ? drawTrace(trace) : null);
}

export function drawInbox(user, page) {
  const list = (items) => {
    const made = element("ol", { tabIndex: 0, "aria-label": "Notifications, newest first" }, ...items);
    made.dataset.focus = `list ${user.id}`;
    return made;
  };
  const meta = user.meta ?? {};
  const count = `${meta.unread_count ?? 0}${meta.capped ? "+" : ""}`;
  const problem = user.problem ?? user.failed;
  return element("section", { className: "inbox", "aria-label": `${user.id}'s inbox` },
    element("header", {}, element("h3", {}, "Inbox"), element("span", { className: "note" }, `${count} unread`)),
    problem ? element("p", { className: "wrong", role: "alert" }, problem) : null,
    user.data?.length
      ? list(user.data.map((one) => inboxItem(user, one, page)))
      : element("p", { className: "note" }, "Nothing yet"));
}
