// Draws what /memory and /activity say, once a second. Nothing is written into the page as HTML.
"use strict";

const HISTORY = 600;
const past = { memory: [], tokens: [], waiting: [] };
let key = sessionStorage.getItem("plimsoll-key") || "";
let chosen = null;
let before = null;

const byId = (id) => document.getElementById(id);
const body = (id) => byId(id).querySelector(".body");

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
  return `${unit === 0 ? bytes : bytes.toFixed(bytes < 10 ? 2 : bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

function count(number) {
  return Math.round(number).toLocaleString("en");
}

function since(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

function bar(parts, label, mood, marks) {
  const node = make("div", { class: `bar ${mood || ""}`, role: "img", "aria-label": label });
  for (const part of parts) node.append(make("i", { class: part.kind || "", style: { width: `${100 * Math.min(1, part.share)}%` } }));
  for (const mark of marks || []) node.append(make("b", { style: { left: `calc(${100 * Math.min(1, mark)}% - 1px)` } }));
  return node;
}

function row(name, value, note, drawn) {
  return make("div", { class: "row" }, make("span", { class: "name" }, name), make("span", { class: "value" }, value), drawn || null,
    note ? make("span", { class: "note" }, note) : null);
}

function facts(pairs) {
  const list = make("dl");
  for (const [name, value] of pairs) list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return list;
}

function drawPlaces(memory) {
  const rows = memory.places.map((place) => {
    const share = place.line_bytes ? place.charged_bytes / place.line_bytes : 0;
    const idle = Math.min(place.cached_bytes || 0, place.charged_bytes) / (place.line_bytes || 1);
    const mood = share >= 0.95 && share - idle >= 0.95 ? "bad" : share - idle >= 0.85 ? "warn" : "";
    const label = `${place.place}: ${size(place.charged_bytes)} of ${size(place.line_bytes)}`;
    const note = `peak ${size(place.peak_bytes)}` + (place.waiting ? `, ${place.waiting} wait` : "") +
      (place.level === "normal" ? "" : `, pressure ${place.level}`);
    return row(place.place, `${size(place.charged_bytes)} of ${size(place.line_bytes)}`, note,
      bar([{ share: share }, { share: Math.max(0, share - idle) }].map((part, index) => ({ share: part.share, kind: index ? "" : "idle" })),
        label, mood, [place.peak_bytes / (place.line_bytes || 1)]));
  });
  const machine = memory.machine;
  if (machine.total_bytes) {
    rows.push(row("this machine", `${size(machine.used_bytes)} of ${size(machine.total_bytes)}`,
      `this program ${size(machine.process_bytes)}`, bar([{ share: (machine.used_bytes || 0) / machine.total_bytes }], "memory of the machine")));
  }
  body("places").replaceChildren(...rows);
}

// Squarified: rows of rectangles whose sides are as alike as can be.
function squarify(items, x, y, width, height, out) {
  const total = items.reduce((sum, item) => sum + item.value, 0);
  if (!items.length || total <= 0 || width <= 0 || height <= 0) return;
  const scale = (width * height) / total;
  const side = Math.min(width, height);
  const worst = (line, sum) => Math.max(...line.map((item) => {
    const area = item.value * scale, length = (sum * scale) / side;
    return Math.max(length * length / area, area / (length * length));
  }));
  let taken = [], sum = 0, left = items.slice();
  while (left.length) {
    const next = left[0];
    if (taken.length && worst([...taken, next], sum + next.value) > worst(taken, sum)) break;
    taken.push(next); sum += next.value; left.shift();
  }
  const thick = (sum * scale) / side;
  let at = 0;
  for (const item of taken) {
    const length = (item.value * scale) / thick;
    out.push(width >= height ? { ...item, x, y: y + at, w: thick, h: length } : { ...item, x: x + at, y, w: length, h: thick });
    at += length;
  }
  if (width >= height) squarify(left, x + thick, y, width - thick, height, out);
  else squarify(left, x, y + thick, width, height - thick, out);
}

const HUES = { program: 262, models: 212, kv: 165, vectors: 32, docs: 340 };

function drawAccounts(memory) {
  const map = byId("treemap");
  const items = [];
  // The disk's bytes are no memory: its bar shows them.
  for (const place of memory.places.filter((place) => place.place !== "disk")) {
    for (const account of place.accounts) {
      if (account.own_bytes > 0) items.push({ account, place: place.place, value: account.own_bytes, name: account.path, key: `${place.place} ${account.path}` });
    }
    if (place.place === "host" && place.carry_bytes > place.charged_bytes) {
      items.push({ account: null, place: place.place, value: place.carry_bytes - place.charged_bytes, name: "free below the line", note: "drawn smaller than it is", key: `${place.place} free` });
    }
  }
  items.sort((one, other) => other.value - one.value);
  const focused = document.activeElement && map.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  // What is free may be all but everything; it gets half of the room at most, so that the rest can be seen.
  const free = items.find((item) => !item.account), used = items.filter((item) => item.account);
  const usedSum = used.reduce((sum, item) => sum + item.value, 0);
  const areas = items.map((item) => {
    const value = item === free ? Math.min(item.value, Math.max(usedSum, 1)) : item.value;
    return { ...item, real: item.value, value, name: value < item.value ? `${item.name} (${item.note})` : item.name };
  });
  areas.sort((one, other) => other.value - one.value);
  const out = [];
  squarify(areas, 0, 0, map.clientWidth, map.clientHeight, out);
  const cells = out.map((item) => {
    const root = item.name.split("/")[0];
    const hue = HUES[root] === undefined ? (root.length * 47) % 360 : HUES[root];
    const color = item.account ? `hsl(${hue} 45% 36%)` : "hsl(210 10% 45%)";
    const label = `${item.place}: ${item.name}, ${size(item.real)}`;
    const cell = make("button", {
      type: "button", role: "listitem", title: label, "aria-label": label, "aria-pressed": String(chosen === item.key),
      style: { left: `${item.x}px`, top: `${item.y}px`, width: `${item.w}px`, height: `${item.h}px`, background: color },
    }, item.w > 46 && item.h > 20 ? `${item.name} ${size(item.real)}` : "");
    cell.dataset.key = item.key;
    cell.addEventListener("click", () => { chosen = item.key; drawAccounts(memory); });
    return cell;
  });
  map.replaceChildren(...cells);
  if (focused) { const again = cells.find((cell) => cell.dataset.key === focused); if (again) again.focus(); }
  const shown = items.find((item) => item.key === chosen);
  byId("account-facts").textContent = !shown ? "Choose an account to see its figures." : !shown.account
    ? `${size(shown.value)} of ${shown.place} may still be taken below the line.`
    : `${shown.name} at ${shown.place}: ${size(shown.account.charged_bytes)} charged, peak ${size(shown.account.peak_bytes)}, ` +
      `guaranteed ${size(shown.account.guaranteed_bytes)}, limit ${size(shown.account.limit_bytes)}` +
      (shown.account.leases === null ? "." : `, ${count(shown.account.leases)} leases, ${size(shown.account.cached_bytes)} idle in its pool.`);
}

function drawRequests(activity, rates) {
  const seats = activity.seats;
  body("requests").replaceChildren(
    row("promised to sequences", `${size(seats.taken_bytes)} of ${size(seats.bytes)}`, seats.waiting ? `${seats.waiting} wait for memory` : "nobody waits",
      bar([{ share: seats.taken_bytes / (seats.bytes || 1) }], "promised to sequences", seats.waiting ? "warn" : "")),
    facts([["connections", count(activity.connections)], ["asked", count(activity.asked)], ["refused", count(activity.refused)],
      ["failed", count(activity.failed)], ["tokens a second", rates ? count(rates.written) : "–"], ["read a second", rates ? count(rates.read) : "–"]]));
}

function drawModels(activity) {
  const models = activity.models.map((model) => {
    const asked = model.tokens_read + model.tokens_cached;
    const head = make("header", {}, make("h3", {}, model.name),
      make("span", { class: `state ${model.state}` }, model.state === "loaded" ? `loaded ${since(model.loaded_seconds)} ago, ${size(model.bytes)}, context ${count(model.context)}` : model.state));
    if (model.state === "broken") return make("div", { class: "model" }, head, make("p", { class: "critical" }, model.why || ""));
    if (model.state !== "loaded") return make("div", { class: "model" }, head);
    const tiers = model.tiers.map((tier) => [`${tier.tier} cache`, `${size(tier.bytes)}, ${count(tier.hits)} hits`]);
    return make("div", { class: "model" }, head, facts([
      ["sequences", model.waiting ? `${model.running}, ${model.waiting} wait` : count(model.running)],
      ["prompt tokens skipped", asked ? `${(100 * model.tokens_cached / asked).toFixed(1)}% of ${count(asked)}` : "–"],
      ["written", count(model.tokens_written)], ["dropped", count(model.dropped)], ...tiers]));
  });
  body("models").replaceChildren(...models);
}

function drawDocuments(activity) {
  byId("documents").hidden = activity.libraries.length === 0;
  const libraries = activity.libraries.map((library) => {
    const head = make("header", {}, make("h3", {}, library.name), make("span", { class: "state" }, library.state));
    if (library.state === "broken") return make("div", { class: "model" }, head, make("p", { class: "critical" }, library.why || ""));
    return make("div", { class: "model" }, head, facts([["documents", count(library.documents)], ["passages", count(library.passages)],
      ["with vectors", count(library.vectors)], ["on disk", size(library.disk_bytes)]]));
  });
  body("documents").replaceChildren(...libraries);
}

async function find(event) {
  event.preventDefault();
  const found = byId("found");
  try {
    const answer = await ask("v1/search", { query: byId("find-field").value, k: 5 });
    const passages = answer.data.map((passage) => make("li", {}, make("strong", {}, passage.name),
      make("span", { class: "note" }, [passage.page !== undefined ? `page ${passage.page}` : null, passage.heading].filter(Boolean).join(", ")),
      make("p", {}, passage.text.length > 600 ? `${passage.text.slice(0, 600)}…` : passage.text)));
    found.replaceChildren(...(passages.length ? passages : [make("li", {}, "Nothing was found.")]));
  } catch (error) {
    found.replaceChildren(make("li", { class: "critical" }, String(error.message || error)));
  }
}

function chart(title, values, unit, most) {
  const top = Math.max(most || 0, ...values, 1e-9);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${HISTORY} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const last = values.length ? values[values.length - 1] : 0;
  svg.setAttribute("aria-label", `${title}: now ${unit(last)}, at most ${unit(Math.max(...values, 0))}`);
  for (const y of [1, 50, 99]) {
    const line = document.createElementNS(svg.namespaceURI, "line");
    for (const [name, value] of [["x1", 0], ["x2", HISTORY], ["y1", y], ["y2", y]]) line.setAttribute(name, value);
    svg.append(line);
  }
  const points = values.map((value, index) => `${HISTORY - values.length + index},${(99 - 97 * value / top).toFixed(2)}`);
  const path = document.createElementNS(svg.namespaceURI, "polyline");
  path.setAttribute("points", points.join(" "));
  svg.append(path);
  return make("div", { class: "chart" }, make("p", {}, make("span", {}, title), make("span", {}, `now ${unit(last)}, top ${unit(top)}`)), svg);
}

function drawHistory(memory) {
  const host = memory.places.find((place) => place.place === "host");
  body("history").replaceChildren(make("div", { class: "charts" },
    chart("charged to the host's line", past.memory, size, host ? host.line_bytes : 0),
    chart("tokens written a second", past.tokens, count, 1),
    chart("requests that wait", past.waiting, count, 1)));
}

function drawHealth(memory) {
  const health = memory.health;
  if (!health) return body("health").replaceChildren(make("p", {}, "Not known yet."));
  const mood = health.score >= 0.75 ? "good" : health.score >= 0.5 ? "warning" : "critical";
  const parts = health.parts.filter((part) => part.score !== null && part.score < 1).map((part) => make("li", {}, `${part.name}: ${part.why}`));
  const advice = health.advice.map((text) => make("li", { class: "warning" }, text));
  body("health").replaceChildren(make("p", { class: mood }, `${health.rating} (${health.score.toFixed(2)})`), make("ul", {}, ...advice, ...parts));
}

function drawAlerts(memory) {
  const alerts = memory.alerts.map((alert) => make("li", { class: alert.severity }, `${alert.text} (for ${since(Math.round(alert.for_ms / 1000))})`));
  const events = memory.events.slice(-8).reverse().map((event) => make("li", {}, `${event.kind} ${size(event.bytes)} ${event.account} ${event.detail || ""}`));
  const rows = alerts.concat(events);
  body("alerts").replaceChildren(rows.length ? make("ul", {}, ...rows) : make("p", {}, "Nothing to report."));
}

function keep(list, value) {
  list.push(value);
  if (list.length > HISTORY) list.shift();
}

async function ask(path, question) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, question ? { method: "POST", headers, body: JSON.stringify(question) } : { headers, cache: "no-store" });
  if (answer.status === 401) { byId("key").hidden = false; throw new Error("a key is needed"); }
  if (!answer.ok) {
    const said = question ? await answer.json().catch(() => null) : null;
    throw new Error(said && said.error ? said.error.message : `${path} answered ${answer.status}`);
  }
  return answer.json();
}

async function turn() {
  try {
    const [memory, activity] = await Promise.all([ask("memory"), ask("activity")]);
    byId("connection").hidden = true;
    byId("key").hidden = true;
    const now = performance.now() / 1000;
    const sum = (name) => activity.models.reduce((all, model) => all + model[name], 0);
    const sums = { now, written: sum("tokens_written"), read: sum("tokens_read") };
    const rates = before && now > before.now ? {
      written: Math.max(0, sums.written - before.written) / (now - before.now), read: Math.max(0, sums.read - before.read) / (now - before.now) } : null;
    before = sums;
    const host = memory.places.find((place) => place.place === "host");
    keep(past.memory, host ? host.charged_bytes : 0);
    keep(past.tokens, rates ? rates.written : 0);
    keep(past.waiting, activity.seats.waiting);
    const running = activity.models.reduce((all, model) => all + model.running, 0);
    const said = `${host ? `${size(host.charged_bytes)} of a line of ${size(host.line_bytes)}` : "no line"}, ${running} sequences, up ${since(activity.up_seconds)}`;
    if (byId("summary").textContent !== said) byId("summary").textContent = said;
    drawPlaces(memory); drawRequests(activity, rates); drawAccounts(memory); drawModels(activity); drawDocuments(activity);
    drawHistory(memory); drawHealth(memory); drawAlerts(memory);
    document.documentElement.dataset.drawn = "true";
  } catch (error) {
    byId("connection").textContent = String(error.message || error);
    byId("connection").hidden = false;
  }
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  key = byId("key-field").value;
  sessionStorage.setItem("plimsoll-key", key);
  turn();
});
byId("find").addEventListener("submit", find);
addEventListener("resize", () => turn());
turn();
setInterval(() => { if (!document.hidden) turn(); }, 1000);
