// The page: asks the console's own routes every second and shows what they say.
//
// Everything that comes from the worker is put in as text (textContent), never as HTML. Rows are kept by connector name
// and touched only when what they show has changed, so that 500 connectors cost little and an open trace stays where
// the reader is.
"use strict";

const EVERY_MS = 1000;
const AT_MOST_MS = 10000;

const $ = (id) => document.getElementById(id);

/** An element with a class and text or children. */
function el(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

const KINDS = {
  RUNNING: "ok", healthy: "ok",
  FAILED: "bad", unhealthy: "bad", unreachable: "bad",
  UNASSIGNED: "wait", RESTARTING: "wait", starting: "wait",
};

function setPill(element, state) {
  element.className = "pill " + (KINDS[state] || "");
  element.textContent = state;
}

function pill(state) {
  const element = el("span");
  setPill(element, state || "UNKNOWN");
  return element;
}

async function ask(path) {
  const response = await fetch(path, { cache: "no-store" });
  const body = await response.json().catch(() => null);
  return { status: response.status, body };
}

function said(reply) {
  if (reply.body && typeof reply.body.message === "string") return reply.body.message;
  return typeof reply.body === "string" ? reply.body : "HTTP " + reply.status;
}

// ---- rows

/** By connector name: what is shown, and the row's elements. */
const rows = new Map();
/** Names of connectors whose details are open. */
const open = new Set();
let latest = [];

function count(tasks, state) {
  return tasks.filter((task) => task.state === state).length;
}

function worst(connector) {
  const states = [connector.connector, ...connector.tasks].map((part) => part && part.state);
  return states.includes("FAILED") ? "FAILED" : (connector.connector && connector.connector.state) || "UNKNOWN";
}

/** Words in which the filter looks. */
function words(connector) {
  const workers = [connector.connector, ...connector.tasks].map((part) => (part && part.worker_id) || "");
  return [connector.name, connector.class, connector.type, worst(connector), ...workers].join(" ").toLowerCase();
}

function makeRow(name) {
  const button = el("button", "open", name);
  button.type = "button";
  const row = {
    button,
    shown: "",
    className: el("span", "class"),
    state: el("td"),
    tasks: el("td", "meter"),
    type: el("td", "wide quiet"),
    worker: el("td", "wide quiet"),
    detail: el("tr", "detail"),
    cell: el("td"),
  };
  row.cell.colSpan = 5;
  row.detail.append(row.cell);
  row.line = el("tr", "connector", el("td", "name", button, row.className), row.state, row.tasks, row.type, row.worker);
  button.addEventListener("click", () => {
    if (!open.delete(name)) open.add(name);
    const connector = latest.find((one) => one.name === name);
    if (connector) fill(row, connector);
  });
  return row;
}

function part(label, status) {
  const line = el("div", "part", el("span", "label", label), pill(status.state));
  const about = [status.worker_id, status.version && "version " + status.version].filter(Boolean).join(" · ");
  line.append(el("span", "quiet", about));
  if (status.trace) line.append(el("pre", "", status.trace));
  return line;
}

function fill(row, connector) {
  const isOpen = open.has(connector.name);
  const { tasks } = connector;
  row.className.textContent = connector.class || "";
  row.state.replaceChildren(pill(worst(connector)));
  row.tasks.textContent = tasks.length ? count(tasks, "RUNNING") + " of " + tasks.length + " running" : "no tasks";
  row.type.textContent = connector.type || "";
  row.worker.textContent = (connector.connector && connector.connector.worker_id) || "";
  row.button.setAttribute("aria-expanded", String(isOpen));
  row.detail.hidden = !isOpen;
  if (isOpen) {
    const scrolled = [...row.cell.querySelectorAll("pre")].map((pre) => pre.scrollTop);
    row.cell.replaceChildren(
      part("Connector", connector.connector || {}),
      ...tasks.map((task) => part("Task " + task.id, task)),
    );
    row.cell.querySelectorAll("pre").forEach((pre, index) => { pre.scrollTop = scrolled[index] || 0; });
  }
  row.shown = JSON.stringify(connector);
}

function show(connectors) {
  latest = connectors;
  const wanted = $("filter").value.trim().toLowerCase();
  const visible = connectors.filter((connector) => !wanted || words(connector).includes(wanted));
  const names = new Set(visible.map((connector) => connector.name));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.line.remove();
    row.detail.remove();
    rows.delete(name);
  }
  const body = $("rows");
  let before = body.firstChild;
  for (const connector of visible) {
    let row = rows.get(connector.name);
    if (!row) {
      row = makeRow(connector.name);
      rows.set(connector.name, row);
    }
    if (row.shown !== JSON.stringify(connector)) fill(row, connector);
    if (row.line !== before) body.insertBefore(row.line, before);
    if (row.line.nextSibling !== row.detail) row.line.after(row.detail);
    before = row.detail.nextSibling;
  }
  totals(connectors);
  const empty = $("empty");
  empty.hidden = visible.length > 0;
  empty.textContent = connectors.length
    ? "No connector fits the filter."
    : "There are no connectors yet. POST one to /connectors of the REST interface.";
}

function totals(connectors) {
  const tasks = connectors.flatMap((connector) => connector.tasks);
  const states = connectors.map(worst);
  const inState = (state) => states.filter((one) => one === state).length;
  const failedTasks = count(tasks, "FAILED");
  const total = (value, label, bad) => el("div", bad && value ? "total bad" : "total", el("b", "", String(value)), el("span", "", label));
  $("totals").replaceChildren(
    total(connectors.length, connectors.length === 1 ? "connector" : "connectors"),
    total(inState("RUNNING"), "running"),
    total(inState("FAILED"), "failed", true),
    total(inState("PAUSED") + inState("STOPPED"), "paused or stopped"),
    total(count(tasks, "RUNNING"), tasks.length === 1 ? "of 1 task running" : "of " + tasks.length + " tasks running"),
    total(failedTasks, failedTasks === 1 ? "task failed" : "tasks failed", true),
  );
}

// ---- the worker

function problem(text, kind) {
  const element = $("problem");
  element.hidden = !text;
  element.className = "problem " + (kind || "");
  element.textContent = text || "";
}

async function refresh() {
  const [worker, health, connectors] = await Promise.all([ask("api/worker"), ask("api/health"), ask("api/connectors")]);
  if (worker.status === 200) {
    $("version").textContent = worker.body.version;
    $("cluster").textContent = worker.body.kafka_cluster_id || "unknown";
  }
  const status = health.body && health.body.status;
  setPill($("health"), status || "unreachable");
  $("health").title = (status && said(health)) || "";
  if (connectors.status !== 200) {
    problem("The connectors cannot be shown: " + said(connectors));
    return false;
  }
  problem(status && status !== "healthy" ? said(health) : "", KINDS[status]);
  show(connectors.body.map((connector) => ({ ...connector, tasks: connector.tasks || [] })));
  $("updated").textContent = "as of " + new Date().toLocaleTimeString();
  return true;
}

let wait = EVERY_MS;

async function loop() {
  if (!document.hidden) {
    let good = false;
    try {
      good = await refresh();
    } catch (error) {
      setPill($("health"), "unreachable");
      problem("The console does not answer: " + error.message);
    }
    wait = good ? EVERY_MS : Math.min(wait * 2, AT_MOST_MS);
  }
  setTimeout(loop, wait);
}

$("filter").addEventListener("input", () => show(latest));
loop();
