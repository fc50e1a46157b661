// The steps of one order through all services.

import { get } from "./api.js";
import { h, show } from "./dom.js";
import { clock, dayAndClock, duration, money, words } from "./format.js";

export function open(container, number) {
  const aborting = new AbortController();
  const body = h("div", { class: "stack" });
  const again = h("button", { type: "button", onclick: load }, "Read again");
  show(
    container,
    h("p", {}, h("a", { href: "#/orders" }, "Orders")),
    h("div", { class: "row" }, h("h1", {}, `Order ${number}`), again),
    body,
  );
  async function load() {
    again.disabled = true;
    show(
      body,
      h("p", { class: "empty", role: "status" }, "Reading the tables of all services, Kafka and the gateway …"),
    );
    try {
      show(body, ...trail(await get(`/api/orders/${number}/trail`, {}, aborting.signal)));
    } catch (error) {
      if (error.name === "AbortError") return;
      show(body, h("p", { class: "empty", role: "alert" }, error.message));
    }
    again.disabled = false;
  }
  load();
  return { update() {}, close: () => aborting.abort() };
}

function trail(found) {
  const traces = [...new Set(found.steps.map((step) => step.trace_id).filter(Boolean))];
  const longest = Math.max(1, ...found.steps.map((step) => step.wait_ms ?? 0));
  const days = new Set(found.steps.map((step) => new Date(step.at).toDateString()));
  return [
    h(
      "p",
      { class: "summary", "data-status": found.status },
      h("span", { class: `pill ${found.status}` }, words(found.status)),
      ` ${money(found.total, found.currency)}, placed ${dayAndClock(found.placed_at)}. `,
      found.summary.replace(/^Order \d+: [a-z_]+, /, ""),
    ),
    ...found.missing.map((text) => h("p", { class: "banner" }, text)),
    h(
      "section",
      { class: "card", "aria-labelledby": "logs" },
      h("h2", { id: "logs" }, "Logs"),
      traces.length
        ? h(
            "ul",
            { class: "traces" },
            traces.map((id) => h("li", {}, h("a", { href: `#/logs?trace=${id}` }, id), ` ${steps(found, id)}`)),
          )
        : h("p", { class: "empty" }, "Its events are no longer in an outbox or in Kafka, so its traces are not known."),
    ),
    h(
      "section",
      { class: "card", "aria-labelledby": "steps" },
      h("h2", { id: "steps" }, "Steps"),
      h(
        "ol",
        { class: "steps" },
        found.steps.map((step) => item(step, longest, days.size > 1)),
      ),
    ),
  ];
}

function steps(found, trace) {
  const own = found.steps.filter((step) => step.trace_id === trace);
  const events = own.filter((step) => step.kind === "emitted").map((step) => step.what.replace(/^emitted /, ""));
  return events.slice(0, 3).join(", ") + (events.length > 3 ? ` and ${events.length - 3} more` : "");
}

function item(step, longest, withDay) {
  const at = h("time", { datetime: step.at, title: step.at }, withDay ? dayAndClock(step.at) : clock(step.at, true));
  const later = h("span", { class: "later" }, step.later_ms >= 0.5 ? `+${duration(step.later_ms / 1000)}` : "");
  let wait = null;
  if (step.wait) {
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    // By the logarithm: waits range from milliseconds to days.
    bar.style.width = `${Math.max(2, (100 * Math.log1p(step.wait_ms)) / Math.log1p(longest))}%`;
    wait = h(
      "span",
      { class: "wait" },
      h("span", { class: "scale" }, bar),
      `${step.wait} ${duration(step.wait_ms / 1000)}`,
    );
  }
  return h(
    "li",
    { class: `step ${step.kind} ${step.service.toLowerCase()}` },
    h("span", { class: "when" }, at, later),
    h("span", { class: "service" }, step.service),
    h("span", { class: "what" }, step.what),
    wait,
  );
}
